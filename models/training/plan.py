"""What a run will do, in words, printed before its first step."""

import math

from models.data.loader import steps_per_epoch
from models.distributed import num_processes
from models.optim.mixed_precision import choose_precision
from models.optim.optimizer import OptimConfig
from models.optim.schedule import warmup_end
from models.presets.preset import Preset


def plan(preset: Preset, num_images: int, device: str, first_epoch: int) -> str:
    """Lines about the steps, the learning rate, the computation and the initial weights of a run."""
    optim = preset.optim
    num_steps = steps_per_epoch(num_images, optim.batch_size)
    batch_size = min(optim.batch_size, num_images)
    lines = [f"continues after epoch {first_epoch}" if first_epoch else start(preset)]
    if optim.freeze_backbone_epochs > first_epoch:
        is_whole = optim.freeze_backbone_epochs >= optim.epochs
        until = "in this run" if is_whole else f"before epoch {optim.freeze_backbone_epochs + 1}"
        lines.append(f"its pretrained layers do not change {until}")
    processes = f", {num_processes()} processes" if num_processes() > 1 else ""
    return "\n".join(
        [
            f"steps: {num_steps} an epoch, of {batch_size} of the {num_images} images each; "
            f"{num_steps * optim.epochs} in {optim.epochs} epochs",
            f"learning rate: {rates(optim, num_steps)}",
            f"computes in {choose_precision(device, optim.precision)} on {device}{processes}",
            *lines,
        ]
    )


def start(preset: Preset) -> str:
    """The initial weights of a run."""
    if preset.init_from:
        return f"the model starts from {preset.init_from}"
    return f"the base network starts from {'random weights' if preset.init == 'none' else preset.init}"


def rates(optim: OptimConfig, num_steps: int) -> str:
    """The schedule of the learning rate; `num_steps` are those of an epoch."""
    warmup = warmup_end(optim, num_steps)
    num_warmup_steps = math.ceil(warmup * num_steps - 1e-9)
    first = f"from {optim.warmup_lr:.3g} to {optim.lr:.3g} in {num_warmup_steps} steps ({warmup:.3g} epochs)"
    parts = [first if warmup else f"{optim.lr:.3g}"]
    if optim.schedule == "cosine":
        return f"{parts[0]}, then along a cosine to 0"
    drops = [drop for drop in sorted(optim.steps) if drop < optim.epochs]
    parts += [f"{optim.lr * 0.1 ** (i + 1):.3g} after epoch {drop:.4g}" for i, drop in enumerate(drops)]
    late = [f"{drop:.4g}" for drop in sorted(optim.steps) if drop >= optim.epochs]
    if late:
        parts.append(f"and none of the later drops (optim.steps: {', '.join(late)}), because the run ends before")
    return ", ".join(parts)
