"""The training loop."""

import json
import math
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from models.checkpoint import read_checkpoint, write_checkpoint
from models.data.annotations import DataSet
from models.data.loader import TrainingImages, training_batches
from models.detector import Targets, normalise
from models.evaluate import TorchEngine, evaluate
from models.plot import plot_run
from models.presets import OptimConfig, Preset, preset_from_json
from models.schedule import learning_rate
from service.preprocess import fit


class TrainingError(Exception):
    """A run that cannot start or go on; the message names the remedy."""


@dataclass
class Progress:
    """How far a run has come; all that a resumed run needs besides the tensors."""

    epoch: int = 0
    best_ap: float = -1.0


class WeightAverage:
    """An exponential moving average of a model's parameters and buffers, quick at first so that it forgets the start."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
        self.num_updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.num_updates += 1
        decay = min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.state[name].lerp_(tensor, 1 - decay)
            else:
                self.state[name].copy_(tensor)


def train(
    preset: Preset,
    train_set: DataSet,
    val_set: DataSet | None,
    out: Path,
    *,
    resume: bool = False,
    num_workers: int = 1,
    device: str = "cpu",
) -> None:
    """Train `preset` on `train_set`; write checkpoints, log.jsonl and plot.png into `out`.

    Every epoch ends in last.pt; the epochs that are evaluated on `val_set` also update best.pt. A run that is resumed from
    last.pt goes on as if it had not been interrupted.
    """
    out.mkdir(parents=True, exist_ok=True)
    last, best, log = out / "last.pt", out / "best.pt", out / "log.jsonl"
    if last.exists() and not resume:
        raise TrainingError(f"{last} exists: add --resume to go on with that run, or choose another --out")
    torch.manual_seed(preset.seed)
    model = preset.build(train_set.classes).to(device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = make_optimizer(preset.optim, model)
    average = WeightAverage(model, preset.optim.ema) if preset.optim.ema else None
    progress = Progress()
    if resume:
        progress = restore(last, preset, model, optimizer, average)
        keep_lines(log, progress.epoch)
    spec = model.config.input_spec
    golden = torch.from_numpy(fit((val_set or train_set).samples[0].read_image(), spec))
    amp = torch.autocast(device, torch.bfloat16, enabled=has_fast_bfloat16(device))

    optim = preset.optim
    for epoch in range(progress.epoch, optim.epochs):
        model.train()
        started, num_images, sums = time.perf_counter(), 0, defaultdict[str, float](float)
        images_of_epoch = TrainingImages(train_set, spec, preset.augment, preset.seed, epoch)
        num_steps = max(len(images_of_epoch) // optim.batch_size, 1)
        batches = training_batches(images_of_epoch, optim.batch_size, num_workers)
        bar = tqdm(batches, f"epoch {epoch + 1}/{optim.epochs}", num_steps, unit="batch", dynamic_ncols=True, mininterval=0.5)
        for step, (images, targets) in enumerate(bar):
            lr = learning_rate(optim, epoch + step / num_steps)
            for group in optimizer.param_groups:
                group["lr"] = lr
            targets = [Targets(t.boxes.to(device), t.labels.to(device)) for t in targets]
            with amp:
                predictions = model(normalise(images.to(device)).contiguous(memory_format=torch.channels_last))
            losses = model.loss(predictions, targets)
            loss = torch.stack(list(losses.values())).sum()
            if not math.isfinite(loss.item()):
                raise TrainingError(
                    f"the loss is {loss.item()} in epoch {epoch + 1}, step {step + 1} ({format_losses(losses)}): "
                    f"try a smaller rate (--set optim.lr={optim.lr / 2:g}) or a longer warm-up, then --resume from {last}"
                )
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            if optim.clip_grad_norm:
                nn.utils.clip_grad_norm_(model.parameters(), optim.clip_grad_norm)
            optimizer.step()
            if average:
                average.update(model)
            num_images += len(images)
            for name, value in losses.items():
                sums[name] += value.item()
            speed = num_images / (time.perf_counter() - started)
            bar.set_postfix_str(f"{format_losses(losses)} lr {lr:.2g} {speed:.1f} images/s")
        bar.close()

        progress.epoch = epoch + 1
        line: dict[str, Any] = {"epoch": progress.epoch, "lr": lr, "images_per_second": round(speed, 2)}
        line["losses"] = {name: round(total / num_steps, 5) for name, total in sums.items()}
        if val_set and (progress.epoch % preset.evaluate_every == 0 or progress.epoch == optim.epochs):
            scored = preset.build(train_set.classes).to(device)
            scored.load_state_dict(average.state if average else model.state_dict())
            evaluation = evaluate(TorchEngine(scored.eval()), val_set, spec)
            line["ap"] = round(evaluation.mean_ap, 5)
            tqdm.write(f"epoch {progress.epoch}: AP50 on {val_set.split} {evaluation.mean_ap:.4f} ({evaluation.summary})")
        is_best = line.get("ap", -1.0) > progress.best_ap
        progress.best_ap = max(line.get("ap", -1.0), progress.best_ap)
        line["seconds"] = round(time.perf_counter() - started, 2)
        content = {
            "preset": preset.to_json(),
            "classes": list(train_set.classes),
            "data_set": f"{train_set.name}/{train_set.split}",
            "golden": golden,
            "epoch": progress.epoch,
            "best_ap": progress.best_ap,
            "model": model.state_dict(),
        } | ({"averaged": average.state, "num_updates": average.num_updates} if average else {})
        if is_best or not val_set:
            write_checkpoint(best, content)
        write_checkpoint(last, content | {"optimizer": optimizer.state_dict()})
        with log.open("a") as file:
            file.write(json.dumps(line) + "\n")
        plot_run(log, out / "plot.png")


def make_optimizer(optim: OptimConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of a run. AdamW leaves vectors (biases, norms) undecayed; SGD decays all, as the paper's code base does."""
    if optim.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), optim.lr, optim.momentum, weight_decay=optim.weight_decay)
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.ndim > 1]},
        {"params": [p for p in model.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, optim.lr, (optim.momentum, 0.999), weight_decay=optim.weight_decay)


def restore(
    path: Path, preset: Preset, model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage | None
) -> Progress:
    """Load the state of an interrupted run into the objects given."""
    content = read_checkpoint(path)
    then = preset_from_json(content["preset"])
    if then.model != preset.model:
        raise TrainingError(
            f"{path}: that run's model is another one; resume it with the preset and --set model.* of its start"
        )
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    if average:
        if "averaged" not in content:
            raise TrainingError(f"{path}: that run kept no average of the weights; resume it with --set optim.ema=0")
        average.state, average.num_updates = content["averaged"], content["num_updates"]
    return Progress(content["epoch"], content["best_ap"])


def keep_lines(log: Path, num_lines: int) -> None:
    """Cut the log back to the epochs that the checkpoint has seen."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    log.write_text("".join(lines[:num_lines]))


def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32 here; on a CPU without its instructions it is many times slower."""
    if device != "cpu":
        return True
    return "amx_bf16" in cpu_flags() or "avx512_bf16" in cpu_flags()


def cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


def format_losses(losses: dict[str, Tensor]) -> str:
    return " ".join(f"{name} {value.item():.3f}" for name, value in losses.items())
