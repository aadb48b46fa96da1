"""The kernel's time beside the time that its bytes take to copy, and beside torchvision's deform_conv2d."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec

import torch
import torch.nn.functional as F

from comparison.gpu.kernel.cases import BOXES, TAPS, Case, make_case, make_output
from comparison.gpu.kernel.launch import gpu_kernel
from comparison.gpu.step import Findings, Options
from comparison.gpu.timing import gpu_microseconds

CHANNELS = 256  # of the map that is projected
NUM_SETS = 4  # inputs are rotated, so that the cache does not hold them
COPIED_BYTES = 2**30
SIZES = [(8, 40, 1), (8, 40, 8), (25, 40, 1), (25, 40, 8), (25, 20, 8), (25, 5, 8), (25, 40, 32), (85, 40, 8)]


def run(options: Options, findings: Findings) -> None:  # noqa: ARG001
    """Measure each size."""
    kernel = gpu_kernel()
    bytes_a_microsecond = copy_speed()
    findings.figure(f"copying {bytes_a_microsecond / 1e6:.2f} TB/s")
    has_torchvision = find_spec("torchvision") is not None
    if not has_torchvision:
        findings.figure("deform_conv2d needs torchvision")
    for filters, cells, batch in SIZES:
        row: dict[str, object] = {"filters O, cells, batch": f"{filters}, {cells}×{cells}, {batch}"}
        for dtype, name in ((torch.float32, "kernel, fp32"), (torch.float16, "kernel, fp16")):
            cases = [make_case(batch, filters, cells, cells, dtype, device="cuda", seed=n) for n in range(NUM_SETS)]
            row[name] = gpu_microseconds([partial(kernel, case, make_output(case)) for case in cases])
        row["floor, fp16"] = bytes_of(cases[0]) / bytes_a_microsecond
        row["projection (1×1), fp16"] = gpu_microseconds([projection(batch, filters, cells)])
        row["three deform_conv2d, fp16"] = (
            BOXES * gpu_microseconds([deformable(batch, filters, cells)]) if has_torchvision else "–"
        )
        findings.row("Microseconds; the floor is the time to copy as many bytes", row)


def copy_speed() -> float:
    """Bytes that a copy on the GPU reads and writes in a microsecond."""
    source = torch.empty(COPIED_BYTES, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * COPIED_BYTES / gpu_microseconds([lambda: target.copy_(source)], 5)


def bytes_of(case: Case) -> int:
    """The bytes that the kernel must read and write at least."""
    batch, _, height, width = case.z.shape
    written = 4 * batch * len(case.bias) * height * width
    return case.z.nbytes + case.geometry.nbytes + case.bias.nbytes + written


def projection(batch: int, filters: int, cells: int) -> Callable[[], object]:
    """The 1×1 convolution that computes z."""
    features = half(batch, CHANNELS, cells, cells).contiguous(memory_format=torch.channels_last)
    weight = half(BOXES * TAPS * filters, CHANNELS, 1, 1).contiguous(memory_format=torch.channels_last)
    return lambda: F.conv2d(features, weight)


def deformable(batch: int, filters: int, cells: int) -> Callable[[], object]:
    """torchvision's deformable convolution for one box of a cell, which samples before it projects."""
    function = import_module("torchvision.ops").deform_conv2d
    features, offsets = half(batch, CHANNELS, cells, cells), half(batch, 2 * TAPS, cells, cells)
    weight = half(filters, CHANNELS, 3, 3)
    return lambda: function(features, offsets, weight, padding=1)


def half(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, device="cuda", dtype=torch.float16)
