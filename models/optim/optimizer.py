"""The optimizer of a training run, and its settings."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from models.optim.mixed_precision import Precision


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
    warmup_epochs: float = 5.0
    warmup_lr: float = 1e-6
    schedule: Literal["step", "cosine"] = "step"
    steps: tuple[int, ...] = (150, 200)  # epochs at which the rate is divided by 10
    clip_grad_norm: float = 0.0  # 0: no limit
    precision: Precision = "auto"
    ema: float = 0.0  # decay of the weight average, which is evaluated and exported; 0: no average

    def __post_init__(self) -> None:
        for name in ("lr", "batch_size", "accumulate", "epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")


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
