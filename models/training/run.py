"""A training run: all that changes while a model is trained, started, saved and restored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.backbones.pretrained import initialise
from models.distributed import num_processes
from models.layers.batch_norm import synchronise_batch_norm
from models.optim.optimizer import OptimConfig, make_optimizer
from models.optim.weight_average import WeightAverage
from models.passd.passd import PASSD
from models.presets.preset import Preset, preset_from_json
from models.retinanet.retinanet import RetinaNet
from models.training.checkpoint import write_checkpoint


class TrainingError(Exception):
    """A run that cannot start or go on; the message names the remedy."""


@dataclass
class Run:
    """All that changes while a model is trained; saved after each epoch, it goes on as if it had never stopped."""

    model: PASSD | RetinaNet
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None
    epoch: int = 0
    best_ap: float = -1.0

    @property
    def weights(self) -> dict[str, Tensor]:
        """What is evaluated and exported: the averaged weights where there are any."""
        return self.average.state if self.average else self.model.state_dict()


def check_batch(optim: OptimConfig, num_images: int) -> None:
    """Refuse a batch that has no image for each process and part."""
    parts = num_processes() * optim.accumulate
    if min(optim.batch_size, num_images) < parts:
        raise TrainingError(
            f"{num_images} images in batches of {optim.batch_size} cannot be shared by {num_processes()} processes in "
            f"{optim.accumulate} parts; lower optim.accumulate or start fewer processes"
        )


def new_run(preset: Preset, classes: tuple[str, ...], device: str, pretrained: bool) -> Run:
    """A run before its first step; `pretrained` loads the base network's first weights."""
    torch.manual_seed(preset.seed)
    model = preset.build(classes)
    if pretrained:
        initialise(model.backbone, preset.model.backbone, preset.init)
    model.to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if num_processes() > 1:
        synchronise_batch_norm(model)
    average = WeightAverage(model, preset.optim.ema) if preset.optim.ema else None
    return Run(model, make_optimizer(preset.optim, model), average)


def parallel(model: nn.Module) -> nn.Module:
    """The model as each process calls it; it starts from the first one's weights, and gradients become their mean."""
    return DistributedDataParallel(model, broadcast_buffers=False) if num_processes() > 1 else model


def save(run: Run, origin: dict[str, Any], last: Path, best: Path | None) -> None:
    """Write the run to `last`, and its weights to `best` where they are the best so far."""
    content = origin | {"epoch": run.epoch, "best_ap": run.best_ap, "model": run.model.state_dict()}
    if run.average:
        content |= {"averaged": run.average.state, "num_updates": run.average.num_updates}
    if best:
        write_checkpoint(best, content)
    write_checkpoint(last, content | {"optimizer": run.optimizer.state_dict()})


def restore(run: Run, content: dict[str, Any], path: Path, preset: Preset) -> None:
    """Load the state of an interrupted run, the content of the checkpoint at `path`, into a new one."""
    then = preset_from_json(content["preset"])
    if then.model != preset.model:
        raise TrainingError(
            f"{path}: that run's model is another one; resume it with the preset and --set model.* of its start"
        )
    if content["classes"] != list(run.model.classes):
        raise TrainingError(
            f"{path}: that run learns {', '.join(content['classes'])}; these data have {', '.join(run.model.classes)}"
        )
    if then.optim.optimizer != preset.optim.optimizer:
        raise TrainingError(
            f"{path}: that run's optimizer is {then.optim.optimizer}; add --set optim.optimizer={then.optim.optimizer}"
        )
    if run.average and "averaged" not in content:
        raise TrainingError(f"{path}: that run kept no average of the weights; resume it with --set optim.ema=0")
    run.model.load_state_dict(content["model"])
    run.optimizer.load_state_dict(content["optimizer"])
    if run.average:
        run.average.restore(content["averaged"], content["num_updates"])
    run.epoch, run.best_ap = content["epoch"], content["best_ap"]
