"""Training steps: their losses against the CPU's, images a second, and how often the CPU waits for the GPU."""

import copy
import os
import time
import warnings
from dataclasses import replace
from typing import Any

import torch

from comparison.gpu.detectors import CLASSES, random_batch
from comparison.gpu.kernel.launch import require_cuda
from comparison.gpu.step import Findings, Options, check
from models.data.loader import Batch
from models.optim.mixed_precision import Precision
from models.presets.catalogue import find_preset
from models.presets.preset import Preset
from models.training.run_state import new_run
from models.training.train import add_gradients

PRESETS = ("passd-320-mobilenet", "retinanet-fsaf-320-mobilenet")
COMPARED_BATCH = 2
TIMED_BATCH = 32
NUM_WARM_UPS = 3
NUM_STEPS = 10
LIMITS: dict[Precision, float] = {"fp32": 2e-3, "bf16": 8e-2}  # of a loss, relative


def run(options: Options, findings: Findings) -> None:
    """Check and measure each preset; on the CPU compare bf16 with fp32 for the first one."""
    if options.is_cpu:
        compare(find_preset(PRESETS[0]), "cpu", ("bf16",), findings)
        return
    require_cuda()
    torch.set_num_threads(min(16, os.cpu_count() or 1))
    for name in PRESETS:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        compare(find_preset(name), "cuda", ("fp32", "bf16"), findings)
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        measure(find_preset(name), findings)


def compare(preset: Preset, device: str, precisions: tuple[Precision, ...], findings: Findings) -> None:
    """Check the losses of the same weights and images against the CPU's in fp32."""
    torch.manual_seed(0)
    reference: Any = preset.build(CLASSES).train()
    batch = random_batch(COMPARED_BATCH, preset.model.input_size)

    def losses(device: str, precision: Precision) -> dict[str, float]:
        model = copy.deepcopy(reference).to(device).to(memory_format=torch.channels_last)
        return add_gradients(model, model, batch, replace(preset.optim, precision=precision, accumulate=1), device)

    wanted = losses("cpu", "fp32")
    for precision in precisions:
        found = losses(device, precision)
        worst = max(abs(found[name] - loss) / max(abs(loss), 1e-3) for name, loss in wanted.items())
        limit = LIMITS[precision]
        check(worst <= limit, f"{preset.name}, {precision}: a loss differs by {worst:.1e}, more than {limit:g}")
        findings.figure(f"{preset.name}: losses in {precision} within {worst:.1e}")


def measure(preset: Preset, findings: Findings) -> None:
    """A row of the table: the time of a step, and what the GPU and the CPU do in it."""
    batch = random_batch(TIMED_BATCH, preset.model.input_size)
    step = make_step(preset, batch)
    for _ in range(NUM_WARM_UPS):
        step()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(NUM_STEPS):
        step()
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - started) / NUM_STEPS
    busy_ms, num_launches = profile(step)
    row = {
        "preset": preset.name,
        "images/s": f"{TIMED_BATCH / seconds:.0f}",
        "ms a step": f"{1e3 * seconds:.0f}",
        "GPU busy, ms": f"{busy_ms:.0f}",
        "launches": num_launches,
        "waits for the GPU": count_waits(step),
    }
    findings.row(f"A step of {TIMED_BATCH} images", row)


def make_step(preset: Preset, batch: Batch) -> Any:
    """A function that trains one step on the batch, without reading images."""
    run = new_run(preset, CLASSES, "cuda", pretrained=False)
    run.model.train()

    def step() -> None:
        run.optimizer.zero_grad(set_to_none=True)
        add_gradients(run.model, run.model, batch, preset.optim, "cuda")
        run.optimizer.step()
        if run.average:
            run.average.update(run.model)

    return step


def profile(step: Any) -> tuple[float, int]:
    """ms in which the GPU computes, and the number of its kernels."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profiler:
        step()
        torch.cuda.synchronize()
    events = profiler.key_averages()
    busy_ms = sum(event.self_device_time_total for event in events) / 1e3
    return busy_ms, sum(event.count for event in events if "LaunchKernel" in event.key)


def count_waits(step: Any) -> int:
    """How often a step waits for a value from the GPU."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step()
        torch.cuda.set_sync_debug_mode("default")
    return len(found)
