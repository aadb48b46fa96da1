"""The learning rate over a training run."""

import math

from models.optim.optimizer import MAX_WARMUP, OptimConfig


def warmup_end(optim: OptimConfig, steps_per_epoch: int) -> float:
    """The epoch, possibly with a fraction, at which the warm-up ends."""
    return max(optim.warmup_epochs, min(optim.warmup_steps / steps_per_epoch, MAX_WARMUP * optim.epochs))


def learning_rate(optim: OptimConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of a step, counted from 0: a linear warm-up, then steps or a cosine to 0.  # PASSD §6.1, §7.1

    Each of `optim.steps` divides the rate by 10.
    """
    epoch, warmup = step / steps_per_epoch, warmup_end(optim, steps_per_epoch)
    if epoch < warmup:
        return optim.warmup_lr + (optim.lr - optim.warmup_lr) * epoch / warmup
    if optim.schedule == "cosine":
        progress = (epoch - warmup) / max(optim.epochs - warmup, 1e-9)
        return float(optim.lr * 0.5 * (1 + math.cos(math.pi * min(progress, 1.0))))
    return float(optim.lr * 0.1 ** sum(epoch >= drop for drop in optim.steps))
