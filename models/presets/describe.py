"""Text about presets: number of parameters, boxes and multiply-adds of the model, and all settings."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from models.presets.preset import Preset
from models.retinanet.retinanet import RetinaNetConfig

MIN_SHARE = 0.001  # of the parameters: smaller parts are not listed


def list_presets(presets: Iterable[Preset]) -> str:
    """A table with a line for each preset; the number of classes is that of its benchmark."""
    lines = [f"{'preset':36} {'classes':>7} {'parameters':>12} {'boxes':>7} {'GMAC':>7} {'epochs':>6}  {'starts from'}"]
    for preset in presets:
        is_coco = preset.name.endswith("-coco") or isinstance(preset.model, RetinaNetConfig)
        num_classes = 80 if is_coco else 20
        size = size_of(build_on_meta(preset, num_classes), preset)
        lines.append(
            f"{preset.name:36} {num_classes:7} {size.num_parameters:12,} {size.num_boxes:7,} "
            f"{size.multiply_adds / 1e9:7.2f} {preset.optim.epochs:6}  "
            f"{'ImageNet' if preset.init == 'imagenet' else 'scratch'}"
        )
    return "\n".join(lines)


def describe(preset: Preset, num_classes: int) -> str:
    """The parameters of each part of a preset's model, and all settings in the form that `--set` takes."""
    model = build_on_meta(preset, num_classes)
    size = size_of(model, preset)
    spec = preset.model.input_spec
    lines = [
        f"{preset.name}: {num_classes} classes, {spec.width}x{spec.height} pixels ({spec.resize}), "
        f"{size.num_boxes:,} boxes, {size.multiply_adds / 1e9:.2f} GMAC",
        "",
        f"{'part':32} {'parameters':>12}  share",
        *(
            f"{name:32} {count:12,} {100 * count / size.num_parameters:5.1f} %"
            for name, count in parts(model, size.num_parameters)
        ),
        f"{'total':32} {size.num_parameters:12,}  ({size.num_parameters * 4 / 2**20:.1f} MiB in fp32)",
        "",
        *settings(preset),
    ]
    return "\n".join(lines)


def parts(model: nn.Module, total: int) -> list[tuple[str, int]]:
    """The parts of the model, and the larger parts of each, indented; with their numbers of parameters."""
    found = []
    for name, child in model.named_children():
        found.append((name, num_parameters(child)))
        for inner_name, inner in child.named_children():
            if num_parameters(inner) > MIN_SHARE * total:
                found.append((f"  {inner_name}", num_parameters(inner)))
    return found


def settings(preset: Preset) -> list[str]:
    """Every setting as `name=value`."""
    lines = []
    for field in dataclasses.fields(preset):
        value = getattr(preset, field.name)
        if dataclasses.is_dataclass(value):
            lines += [f"{field.name}.{inner.name}={getattr(value, inner.name)}" for inner in dataclasses.fields(value)]
        else:
            lines.append(f"{field.name}={value}")
    return lines


@dataclasses.dataclass(frozen=True)
class Size:
    """The size of a model.

    The multiply-adds are those of the convolutions for one image; they exclude sampling and decoding.
    """

    num_parameters: int
    num_boxes: int
    multiply_adds: int


def size_of(model: Any, preset: Preset) -> Size:
    """The size of a model on the meta device."""
    spec = preset.model.input_spec
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        boxes, _ = model.decode(model(torch.zeros(1, 3, spec.height, spec.width)))
    return Size(num_parameters(model), boxes.shape[1], counter.get_total_flops() // 2)


def build_on_meta(preset: Preset, num_classes: int) -> Any:
    """The model without memory, for counting parameters."""
    with torch.device("meta"):
        return preset.build(tuple(f"class {i}" for i in range(num_classes))).eval()


def num_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
