"""The learning rate over a training run."""

import math

from models.optim.optimizer import OptimConfig


def learning_rate(optim: OptimConfig, epoch: float) -> float:
    """The rate at a fractional epoch: a linear warm-up, then steps or a cosine to 0.  # PASSD §6.1, §7.1

    Each step divides the rate by 10.
    """
    if epoch < optim.warmup_epochs:
        return optim.warmup_lr + (optim.lr - optim.warmup_lr) * epoch / optim.warmup_epochs
    if optim.schedule == "cosine":
        progress = (epoch - optim.warmup_epochs) / max(optim.epochs - optim.warmup_epochs, 1e-9)
        return float(optim.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    return float(optim.lr * 0.1 ** sum(epoch >= step for step in optim.steps))
