"""The training loop, from the first epoch to the last checkpoint."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from models.data.data_set import DataSet
from models.data.loader import Batch, steps_per_epoch, training_batches, training_images
from models.detector import normalise
from models.distributed import broadcast, is_first, num_processes, rank, sum_over_processes
from models.evaluation.evaluate import evaluate
from models.evaluation.torch_engine import TorchEngine
from models.optim.mixed_precision import autocast, choose_precision
from models.optim.optimizer import OptimConfig
from models.optim.schedule import learning_rate
from models.passd.passd import PASSD
from models.presets.preset import Preset
from models.retinanet.retinanet import RetinaNet
from models.training.checkpoint import read_checkpoint, write_checkpoint
from models.training.origin import describe_data
from models.training.plan import plan
from models.training.plot import plot_run
from models.training.resume import restore
from models.training.run_state import (
    Run,
    TrainingError,
    check_batch,
    check_norms,
    check_validation,
    new_run,
    parallel,
    save,
)
from service.detection.fit import fit


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

    Every epoch writes last.pt. best.pt is replaced if an evaluation on `val_set` is the best so far; without a
    `val_set` every epoch replaces it. A run that is resumed from last.pt continues as if it had not been interrupted,
    except for the settings that differ, which are printed. If there are several processes, only the first one evaluates
    and writes.
    """
    last, best, log = out / "last.pt", out / "best.pt", out / "log.jsonl"
    if is_first():
        out.mkdir(parents=True, exist_ok=True)
        if last.exists() and not resume:
            raise TrainingError(f"{last} exists: add --resume to continue that run, or choose another --out")
        if best.exists() and not resume:
            raise TrainingError(f"{best} exists, and this run would replace it: move it, or choose another --out")
    check_batch(preset.optim, len(train_set.samples))
    check_validation(val_set)
    run = new_run(preset, train_set.classes, device, pretrained=not resume)
    check_norms(run.model, preset.optim, len(train_set.samples))
    spec = preset.model.input_spec
    origin = {
        "preset": preset.to_json(),
        "classes": list(train_set.classes),
        "data_set": f"{train_set.name}/{train_set.split}",
        "data": {"training": describe_data(train_set), "validation": describe_data(val_set) if val_set else None},
        "precision": choose_precision(device, preset.optim.precision),
        "golden": torch.from_numpy(fit((val_set or train_set).samples[0].read_image(), spec)),
    }
    notes = []
    if resume:
        notes = restore(run, broadcast(read_checkpoint(last) if is_first() else None), last, preset, origin)
    is_done = run.epoch >= preset.optim.epochs
    if is_first():
        keep_lines(log, run.epoch)
        if is_done:
            print(
                f"nothing is left to train: {last} is of epoch {run.epoch}, and optim.epochs is {preset.optim.epochs}; "
                "a larger --epochs continues that run"
            )
        else:
            print(plan(preset, len(train_set.samples), device, run.epoch), *notes, sep="\n")
    if is_done:
        return
    forward = parallel(run.model)
    batches = batches_of_run(preset, train_set, run.epoch, num_workers, device)
    num_steps = steps_per_epoch(len(train_set.samples), preset.optim.batch_size)
    while run.epoch < preset.optim.epochs:
        if run.trunk.freeze(run.epoch < preset.optim.freeze_backbone_epochs):
            forward = parallel(run.model)
        started = time.perf_counter()
        line = train_epoch(run, forward, preset, batches, num_steps, device, out)
        run.epoch += 1
        if not is_first():
            continue
        if val_set and (run.epoch % preset.evaluate_every == 0 or run.epoch == preset.optim.epochs):
            scored = preset.build(train_set.classes).to(device)
            scored.load_state_dict(run.weights)
            evaluation = evaluate(TorchEngine(scored), val_set, spec, preset.nms_defaults)
            line["measures"] = {name: round(value, 5) for name, value in evaluation.measures.items()}
            value = evaluation.measures[preset.best_by]
            tqdm.write(f"epoch {run.epoch}: {preset.best_by} on {val_set.split} {value:.4f} ({evaluation.summary})")
            is_best = value > run.best_ap or not best.exists()  # a lost one is not compared with
            run.best_ap = value if is_best else run.best_ap
        else:
            is_best = val_set is None
        line["seconds"] = round(time.perf_counter() - started, 2)
        with log.open("a") as file:  # before the checkpoint: --resume removes a line too many, but cannot add one
            file.write(json.dumps(line) + "\n")
        save(run, origin, last, best if is_best else None)
        plot_run(log, out / "plot.png")


def batches_of_run(
    preset: Preset, train_set: DataSet, first_epoch: int, num_workers: int, device: str
) -> Iterator[Batch]:
    """This process's shares of the batches of all epochs from `first_epoch` on."""
    spec, optim = preset.model.input_spec, preset.optim
    images = training_images(train_set, spec, preset.augment, preset.seed, num_workers)
    return training_batches(
        images,
        range(first_epoch, optim.epochs),
        optim.batch_size,
        num_workers,
        share=rank(),
        num_shares=num_processes(),
        pin_memory=torch.device(device).type == "cuda",
    )


def train_epoch(
    run: Run, forward: nn.Module, preset: Preset, batches: Iterator[Batch], num_steps: int, device: str, out: Path
) -> dict[str, Any]:
    """The `num_steps` batches of one epoch -> the line of this epoch in the log."""
    forward.train()
    run.trunk.fix_statistics()
    optim = preset.optim
    started, num_images, sums = time.perf_counter(), 0, defaultdict[str, float](float)
    bar = tqdm(
        islice(batches, num_steps),
        f"epoch {run.epoch + 1}/{optim.epochs}",
        num_steps,
        unit="batch",
        dynamic_ncols=True,
        mininterval=0.5,
        disable=not is_first(),
    )
    for step, batch in enumerate(bar):
        lr = learning_rate(optim, run.epoch * num_steps + step, num_steps)
        for group in run.optimizer.param_groups:
            group["lr"] = lr
        run.optimizer.zero_grad(set_to_none=True)
        losses = add_gradients(forward, run.model, batch, optim, device, run.scaler)
        if not all(map(math.isfinite, losses.values())):
            raise TrainingError(
                f"the loss is not finite in epoch {run.epoch + 1}, step {step + 1} ({format_losses(losses)}); "
                f"the batch is in {save_batch(out, batch)}: "
                f"try a smaller rate (--set optim.lr={optim.lr / 2:g}) or a longer warm-up"
                f"{', or --set optim.precision=fp32' if run.scaler.is_enabled() else ''}"
            )
        take_step(run, optim)
        num_images += len(batch[0]) * num_processes()
        for name, value in losses.items():
            sums[name] += value
        speed = num_images / (time.perf_counter() - started)
        bar.set_postfix_str(f"{format_losses(losses)} lr {lr:.2g} {speed:.1f} images/s")
    mean_losses = {name: round(total / num_steps, 5) for name, total in sums.items()}
    return {"epoch": run.epoch + 1, "lr": lr, "images_per_second": round(speed, 2), "losses": mean_losses}


def take_step(run: Run, optim: OptimConfig) -> None:
    """Change the weights by the gradients; in fp16, gradients that overflow change nothing and lower their scale."""
    run.scaler.unscale_(run.optimizer)
    if optim.clip_grad_norm:
        nn.utils.clip_grad_norm_(run.model.parameters(), optim.clip_grad_norm)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    if run.average:
        run.average.update(run.model)


def add_gradients(
    forward: nn.Module,
    model: PASSD | RetinaNet,
    batch: Batch,
    optim: OptimConfig,
    device: str,
    scaler: GradScaler | None = None,
) -> dict[str, float]:
    """Add the gradients of a batch to those of the parameters -> its losses, as means over parts and processes.

    The batch is processed in `optim.accumulate` parts. The number of positives and the statistics of batch norm are
    those of one part over all processes. The scaler scales the gradients, but not the losses.
    """
    images, targets = batch
    sums: dict[str, Tensor] = {}
    num_parts = optim.accumulate
    for i, part in enumerate(torch.arange(len(images)).tensor_split(num_parts)):
        is_last = i == num_parts - 1
        with forward.no_sync() if isinstance(forward, DistributedDataParallel) and not is_last else nullcontext():
            with autocast(device, optim.precision):
                predictions = forward(
                    normalise(images[part].to(device, non_blocking=True)).contiguous(memory_format=torch.channels_last)
                )
            own = [targets[n].to(device) for n in part.tolist()]
            losses = {name: loss / num_parts for name, loss in model.loss(predictions, own).items()}
            total = torch.stack(list(losses.values())).sum()
            torch.autograd.backward(scaler.scale(total) if scaler else total)
        sums = {name: sums.get(name, 0) + loss.detach() for name, loss in losses.items()}
    values = sum_over_processes(torch.stack(list(sums.values()))) / num_processes()
    return dict(zip(sums, values.tolist(), strict=True))


def save_batch(out: Path, batch: Batch) -> Path:
    """Write this process's share of a batch next to the checkpoints, for inspection."""
    path = out / f"bad_batch_{rank()}.pt"
    images, targets = batch
    out.mkdir(parents=True, exist_ok=True)
    fields = {name: [getattr(target, name) for target in targets] for name in ("boxes", "labels", "ignored")}
    write_checkpoint(path, {"images": images, **fields})
    return path


def keep_lines(log: Path, num_lines: int) -> None:
    """Keep the first `num_lines` lines of the log: the epochs of the checkpoint."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    log.write_text("".join(lines[:num_lines]))


def format_losses(losses: dict[str, float]) -> str:
    return " ".join(f"{name} {value:.3f}" for name, value in losses.items())
