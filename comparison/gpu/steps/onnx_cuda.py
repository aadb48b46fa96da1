"""ONNX Runtime's CUDA provider: where the nodes run, the numbers, the times; with --cpu the CPU's, without times."""

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from comparison.gpu.images import compare_with_cpu, golden_images, worst
from comparison.gpu.placement import open_session, placement
from comparison.gpu.step import Findings, Options, SkippedError
from comparison.gpu.timing import host_milliseconds
from export.to_engine import Precision
from service.bundle import Bundle, read_bundle
from service.detection.golden import check_golden
from service.engines.onnx_cuda import CUDA
from service.engines.open import open_engine
from service.engines.protocol import Candidates, Engine
from service.engines.tensor_contract import IMAGES, OUTPUTS

PLACED_BATCH = 8
COMPARED = (1, 5, 8, 21)
TIMED = (1, 8, 32)

Run = Callable[[NDArray[np.uint8]], Candidates]


def run(options: Options, findings: Findings) -> None:
    """Check and measure the bundle's model, and its form in fp16 if it has one."""
    if not options.is_cpu:
        require_provider()
    bundle = read_bundle(options.bundle)
    models: dict[Precision, Path | None] = {"fp32": bundle.model_path, "fp16": bundle.half_model_path}
    for precision, path in models.items():
        if path is None:
            findings.figure(f"{precision}: the bundle has no such model")
            continue
        show_placement(bundle, precision, path, options, findings)
        if options.is_cpu:
            compare(bundle, precision, plain(path, is_on_gpu=False, batch=1), (1,), findings)
            continue
        with closing(open_cuda(bundle, precision)) as engine:
            check_golden(bundle, engine)
            compare(bundle, precision, engine, COMPARED, findings)
            measure(bundle, precision, path, engine, findings)


def require_provider() -> None:
    """Raise SkippedError unless ONNX Runtime has its CUDA provider."""
    if CUDA not in onnxruntime.get_available_providers():
        raise SkippedError("needs onnxruntime-gpu")
    onnxruntime.preload_dlls()


def open_cuda(bundle: Bundle, precision: Precision) -> Engine:
    """The server's engine, for batches of up to the largest of TIMED."""
    return open_engine(bundle, "onnx-cuda", precision=precision, max_batch=max(TIMED))


def plain(path: Path, *, is_on_gpu: bool, batch: int | None = None) -> Run:
    """A session as it is, without a CUDA graph."""
    session = open_session(path, is_on_gpu=is_on_gpu, batch=batch)
    return lambda images: Candidates(*session.run(OUTPUTS, {IMAGES: images}))


def show_placement(bundle: Bundle, precision: Precision, path: Path, options: Options, findings: Findings) -> None:
    """Count the nodes on both sides, with any batch size and with a fixed one."""
    images = golden_images(bundle, 1 if options.is_cpu else PLACED_BATCH)
    for is_fixed in (False, True):
        found = placement(path, images, options.work, is_on_gpu=not options.is_cpu, is_fixed=is_fixed)
        row = {
            "precision": precision,
            "batch size": f"fixed at {len(images)}" if is_fixed else "any",
            "on the GPU": found.num_on_gpu,
            "on the CPU": found.on_cpu.total(),
            "copies": found.num_copies,
            "most frequent on the CPU": ", ".join(f"{name} {count}" for name, count in found.on_cpu.most_common(4)),
        }
        findings.row("Nodes of the graph", row)


def compare(bundle: Bundle, precision: Precision, engine: Run, batches: tuple[int, ...], findings: Findings) -> None:
    """Check the numbers at several batch sizes against the CPU's."""
    differences = compare_with_cpu(bundle, precision, engine, batches)
    findings.figure(f"{precision}: {worst(differences)} at batches of {', '.join(map(str, batches))}")


def measure(bundle: Bundle, precision: Precision, path: Path, engine: Run, findings: Findings) -> None:
    """Time the server's engine, with a session and a CUDA graph for each batch size, beside one session for any."""
    session = plain(path, is_on_gpu=True)
    for count in TIMED:
        images = golden_images(bundle, count)
        fixed, free = host_milliseconds(partial(engine, images)), host_milliseconds(partial(session, images))
        row = {
            "precision": precision,
            "batch": count,
            "`--engine onnx-cuda`, ms": fixed,
            "images/s": f"{1e3 * count / fixed:.0f}",
            "one session for any batch size, ms": free,
        }
        findings.row("One caller", row)
