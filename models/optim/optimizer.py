"""The optimizer of a training run, and its settings."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from models.optim.mixed_precision import Precision
from models.ranges import check_ranges

MAX_WARMUP = 0.1  # of the run, unless `warmup_epochs` is set to more


@dataclass(frozen=True)
class OptimConfig:
    """SGD with warm-up and steps (PASSD §6.1, §7.1; FSAF §3.4), or AdamW and cosine for short runs from scratch."""

    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 4e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    batch_size: int = 32  # of all processes together
    accumulate: int = 1  # parts into which a process divides its share of a batch, to save memory
    epochs: int = 250
    freeze_backbone_epochs: int = 0  # the first epochs, which do not change the pretrained layers
    warmup_epochs: float = 5.0
    warmup_steps: int = 0  # the shortest warm-up, except that it is at most a tenth of the run
    warmup_lr: float = 1e-6
    schedule: Literal["step", "cosine"] = "step"
    steps: tuple[float, ...] = (150, 200)  # epochs at which the rate is divided by 10
    clip_grad_norm: float = 0.0  # 0: no limit
    precision: Precision = "auto"
    ema: float = 0.0  # decay of the weight average, which is evaluated and exported; 0: no average

    def __post_init__(self) -> None:
        check_ranges(
            self,
            positive=("lr", "batch_size", "accumulate", "epochs"),
            not_negative=(
                *("weight_decay", "freeze_backbone_epochs", "steps"),
                *("warmup_epochs", "warmup_steps", "warmup_lr", "clip_grad_norm"),
            ),
        )
        for name in ("momentum", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")

    def with_epochs(self, epochs: int) -> "OptimConfig":
        """The same schedule for a run of another length: the steps keep their shares of the run.

        The warm-up keeps its length, but is at most a tenth of the run.
        """
        if epochs == self.epochs:
            return self
        return replace(
            self,
            epochs=epochs,
            steps=tuple(step * epochs / self.epochs for step in self.steps),
            warmup_epochs=min(self.warmup_epochs, MAX_WARMUP * epochs),
        )


def make_optimizer(optim: OptimConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a run.

    AdamW applies no weight decay to vectors (biases, norms); SGD decays all parameters, as the paper's code base does.
    """
    if optim.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), optim.lr, optim.momentum, weight_decay=optim.weight_decay)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, optim.lr, (optim.momentum, 0.999), weight_decay=optim.weight_decay)
