"""The weights from which a training run starts: those of the base network, or all of a checkpoint that fit."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from models.backbones.download import PretrainedError
from models.backbones.pretrained import initialise
from models.passd.passd import PASSD
from models.presets.preset import Preset, differences
from models.retinanet.retinanet import RetinaNet
from models.training.checkpoint import TrainedModel, load_model

MAX_LINES = 20  # of a report
COUNTER = "num_batches_tracked"  # of batch norm; it affects nothing here


def set_initial_weights(model: PASSD | RetinaNet, preset: Preset) -> None:
    """Load the weights that a preset starts from, and print what a checkpoint did not give."""
    if preset.init_from:
        print(transfer(load_model(Path(preset.init_from)), model, preset))
        return
    if preset.init == "none" and preset.optim.freeze_backbone_epochs:
        raise PretrainedError(
            f"optim.freeze_backbone_epochs={preset.optim.freeze_backbone_epochs} would freeze random weights; "
            "set it to 0, or choose --init imagenet, --init FILE or --init-from CHECKPOINT"
        )
    initialise(model.backbone, preset.model.backbone, preset.init)


@torch.no_grad()
def transfer(trained: TrainedModel, model: PASSD | RetinaNet, preset: Preset) -> str:
    """Copy all weights of a trained model that fit into `model`, a new model of `preset` -> a report of the others.

    Tensors fit if their names and shapes are the same. In the layers with filters for each class, the filters of
    classes with the same name fit. Raises PretrainedError if the two models are of different kinds.
    """
    if architecture(trained.preset) != architecture(preset):
        raise PretrainedError(
            f"{trained.path}: a {architecture(trained.preset)}, but {preset.name} is a {architecture(preset)}; "
            "choose a preset of the same kind, or load only the base network with --init"
        )
    here, there = model.state_dict(), trained.model.state_dict()
    labels_here, labels_there = score_labels(model), score_labels(trained.model)
    lines, num_loaded = [], 0
    for name, tensor in here.items():
        layer = name.rpartition(".")[0]
        if name not in there:
            is_loaded, reason = name.endswith(COUNTER), "not in the checkpoint"
        elif layer in labels_here:
            is_loaded = copy_filters(there[name], labels_there[layer], tensor, labels_here[layer])
            reason = f"{shape(there[name])} for {len(labels_there[layer])} scores there, {shape(tensor)} here"
        else:
            is_loaded, reason = there[name].shape == tensor.shape, f"{shape(there[name])} there, {shape(tensor)} here"
            if is_loaded:
                tensor.copy_(there[name])
        num_loaded += is_loaded
        if not is_loaded:
            lines.append(f"not loaded: {name}: {reason}")
    lines += [
        f"not used: {name}: {shape(there[name])}, not in this model"
        for name in there
        if name not in here and not name.endswith(COUNTER)
    ]
    lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES} more tensors"] if len(lines) > MAX_LINES else []
    head = f"starts from {trained.path} ({trained.data_set}): {num_loaded} of {len(here)} tensors are loaded"
    settings = [  # weights of the same shape may mean something else with them
        f"differs: {name}: {was} there, {now} here"
        for name, (was, now) in differences(trained.preset, preset).items()
        if name.startswith("model.")
    ]
    return "\n  ".join([head, compare_classes(trained.classes, model.classes), *settings, *lines])


def architecture(preset: Preset) -> str:
    return f"{type(preset.model).__name__.removesuffix('Config')} with {preset.model.backbone}"


def shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def score_labels(model: PASSD | RetinaNet) -> dict[str, tuple[str | None, ...]]:
    """The layers with filters for each class: the class of each filter of one box; None for background."""
    if isinstance(model, PASSD):
        return {"attending.scores": (None, *model.classes)}
    return {"anchor_based.scores": model.classes, "anchor_free.scores": model.classes}


def copy_filters(
    source: Tensor, source_labels: Sequence[str | None], target: Tensor, target_labels: Sequence[str | None]
) -> bool:
    """Copy the filters of labels that occur in both -> whether the filters have the same shape.

    source (A*C, ...), box-major, C filters in the order of `source_labels` for each of A boxes; target (A*D, ...).
    """
    boxes_there = source.reshape(-1, len(source_labels), *source.shape[1:])
    boxes_here = target.view(-1, len(target_labels), *target.shape[1:])
    if len(boxes_there) != len(boxes_here) or boxes_there.shape[2:] != boxes_here.shape[2:]:
        return False
    for i, label in enumerate(target_labels):
        if label in source_labels:
            boxes_here[:, i] = boxes_there[:, source_labels.index(label)]
    return True


def compare_classes(there: Sequence[str], here: Sequence[str]) -> str:
    """A line about classes in both models, in the new one, and in the trained one."""
    parts = {
        "kept": [name for name in here if name in there],
        "new": [name for name in here if name not in there],
        "dropped": [name for name in there if name not in here],
    }
    return "classes: " + "; ".join(f"{part} {', '.join(names)}" for part, names in parts.items() if names)
