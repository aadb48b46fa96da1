"""The state of a training run: how it is created, saved and restored."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel

from models.data.data_set import DataSet
from models.distributed import broadcast_tensors, is_first, num_processes
from models.layers.batch_norm import synchronise_batch_norm
from models.optim.mixed_precision import make_scaler
from models.optim.optimizer import OptimConfig, make_optimizer
from models.optim.weight_average import WeightAverage
from models.passd.passd import PASSD
from models.presets.preset import Preset
from models.retinanet.retinanet import RetinaNet
from models.training.checkpoint import write_checkpoint
from models.training.initial_weights import set_initial_weights
from models.training.trunk import Trunk


class TrainingError(Exception):
    """A run that cannot start or continue; the message names the remedy."""


@dataclass
class Run:
    """The state that training changes. It is saved after each epoch; a restored run continues as if uninterrupted."""

    model: PASSD | RetinaNet
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    scaler: GradScaler
    trunk: Trunk
    epoch: int = 0
    best_ap: float = -1.0

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights to evaluate and export: the averaged ones if there are any."""
        return self.average.state if self.average else self.model.state_dict()


def new_run(preset: Preset, classes: tuple[str, ...], device: str, pretrained: bool) -> Run:
    """A run before its first step, the same in all processes; `pretrained` loads the weights that it starts from.

    Only the first process reads these weights. The others get its parameters and buffers, and average them.
    """
    try:
        scaler = make_scaler(device, preset.optim.precision)
    except ValueError as error:
        raise TrainingError(str(error)) from error
    torch.manual_seed(preset.seed)
    model = preset.build(classes)
    if pretrained and is_first():
        set_initial_weights(model, preset)
    model.to(device)
    broadcast_tensors(model.state_dict().values())
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if num_processes() > 1:
        synchronise_batch_norm(model)
    average = WeightAverage(model, preset.optim.ema) if preset.optim.ema else None
    return Run(model, make_optimizer(preset.optim, model), average, scaler, Trunk(model))


def save(run: Run, origin: dict[str, Any], last: Path, best: Path | None) -> None:
    """Write the run to `last`, and its weights also to `best` if that is given."""
    content = origin | {"epoch": run.epoch, "best_ap": run.best_ap, "model": run.model.state_dict()}
    if run.average:
        content |= {"averaged": run.average.state, "num_updates": run.average.num_updates}
    if best:
        write_checkpoint(best, content)
    write_checkpoint(last, content | {"optimizer": run.optimizer.state_dict(), "scaler": run.scaler.state_dict()})


def check_batch(optim: OptimConfig, num_images: int) -> None:
    """Raise TrainingError if a batch has fewer images than processes times parts."""
    parts = num_processes() * optim.accumulate
    if min(optim.batch_size, num_images) < parts:
        raise TrainingError(
            f"{num_images} images in batches of {optim.batch_size} cannot be shared by {num_processes()} processes in "
            f"{optim.accumulate} parts; lower optim.accumulate or start fewer processes"
        )


def check_validation(val_set: DataSet | None) -> None:
    """Raise TrainingError if AP, which chooses the best checkpoint, cannot be measured on the validation split."""
    if val_set and all(sample.is_uncounted.all() for sample in val_set.samples):
        raise TrainingError(
            f"{val_set.name}/{val_set.split}: all its objects are difficult or crowds, which AP does not count; "
            "choose another --val-split, or train without one"
        )


def check_norms(model: PASSD | RetinaNet, optim: OptimConfig, num_images: int) -> None:
    """Raise TrainingError if batch norm would compute the statistics of a channel from a single value.

    Only PASSD's top level can be as small as one cell; RetinaNet's levels of that size have no norms. Several processes
    share their statistics, and each has at least one image.
    """
    if not isinstance(model, PASSD) or not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()):
        return
    num_together = min(optim.batch_size, num_images) // optim.accumulate
    size, stride = model.config.input_size, model.strides[-1]
    if num_processes() == 1 and num_together == 1 and size == stride:
        raise TrainingError(
            f"batch norm needs more than one value of each channel, but a step computes 1 image at a time, and of "
            f"{size} pixels the top level has one cell; use at least 2 images at a time (optim.batch_size is "
            f"{optim.batch_size}, optim.accumulate {optim.accumulate}, and there are {num_images} images), "
            f"or --set model.input_size={2 * size}"
        )


def parallel(model: nn.Module) -> nn.Module:
    """The model for the forward pass; of several processes, it averages the gradients.

    All processes compute the same buffers, because batch norm is synchronised.
    """
    if num_processes() == 1:
        return model
    with warnings.catch_warnings():  # torch 2.13 renames broadcast_buffers, and 2.9 does not have the new name
        warnings.simplefilter("ignore", FutureWarning)
        return DistributedDataParallel(model, broadcast_buffers=False)
