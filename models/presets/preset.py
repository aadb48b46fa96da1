"""Presets: named, complete recipes. A preset is a Python value; experiments change it (`--set optim.lr=0.002`)."""

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from models.data.scale_jitter import ScaleJitterConfig
from models.data.ssd_augmentation import AugmentConfig
from models.optim.optimizer import OptimConfig
from models.passd.passd import PASSD, PASSDConfig
from models.ranges import check_ranges
from models.retinanet.retinanet import RetinaNet, RetinaNetConfig
from service.bundle import NmsDefaults
from service.detection.soft_nms import Method

# The possible types of a preset's fields; the first is the type in files that do not name it.
CONFIGS: dict[str, tuple[Any, ...]] = {
    "model": (PASSDConfig, RetinaNetConfig),
    "augment": (AugmentConfig, ScaleJitterConfig),
}


class PresetError(Exception):
    """A preset or a setting that does not exist or is invalid; the message lists the valid ones."""


@dataclass(frozen=True)
class Preset:
    """A model and its training recipe."""

    name: str
    model: PASSDConfig | RetinaNetConfig
    optim: OptimConfig = OptimConfig()
    augment: AugmentConfig | ScaleJitterConfig = AugmentConfig()
    evaluate_every: int = 5  # epochs
    best_by: Literal["AP50", "AP50:95"] = "AP50"  # on the validation split; it chooses best.pt
    seed: int = 0
    init: str = "none"  # initial weights of the base network: imagenet, none or a file
    init_from: str = ""  # a checkpoint that gives the initial weights of the whole model, instead of `init`
    nms: Method = "gaussian"  # for measuring AP
    nms_iou: float = 0.45  # PASSD §6.2

    def __post_init__(self) -> None:
        check_ranges(self, positive=["evaluate_every"], not_negative=["seed"], share=["nms_iou"])

    def build(self, classes: tuple[str, ...]) -> PASSD | RetinaNet:
        """The model with new initial weights."""
        try:
            if isinstance(self.model, RetinaNetConfig):
                return RetinaNet(self.model, classes)
            return PASSD(self.model, classes)
        except ValueError as error:
            raise PresetError(f"{self.name}: {error}") from error

    @property
    def nms_defaults(self) -> NmsDefaults:
        """The NMS with which AP is measured."""
        return NmsDefaults(method=self.nms, iou_threshold=self.nms_iou)

    def to_json(self) -> str:
        kinds = {name: type(getattr(self, name)).__name__ for name in CONFIGS}
        return json.dumps(dataclasses.asdict(self) | {"kinds": kinds})


def preset_from_json(text: str) -> Preset:
    """The inverse of `Preset.to_json`."""
    fields = json.loads(text)
    kinds = fields.pop("kinds", {})
    for name, configs in CONFIGS.items():
        kind = next(config for config in configs if config.__name__ == kinds.get(name, configs[0].__name__))
        fields[name] = kind(**_tuples(fields[name]))
    return Preset(**fields | {"optim": OptimConfig(**_tuples(fields["optim"]))})


def differences(old: Preset, new: Preset) -> dict[str, tuple[Any, Any]]:
    """The settings, by the name that `--set` takes, whose values differ: the old and the new one."""
    a, b = dict(_settings(old)), dict(_settings(new))
    return {name: (a.get(name), b.get(name)) for name in a | b if a.get(name) != b.get(name)}


def _settings(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            yield from _settings(value, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name, value


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: _tuple(value) for key, value in fields.items()}


def _tuple(value: Any) -> Any:
    return tuple(_tuple(element) for element in value) if isinstance(value, list) else value
