"""TensorRT: building an engine, its golden image, its numbers, and its times beside ONNX Runtime's CUDA provider."""

import shutil
from contextlib import closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import onnxruntime

from comparison.gpu.images import golden_images
from comparison.gpu.step import Findings, Options, SkippedError
from comparison.gpu.steps.onnx_cuda import compare, open_cuda
from comparison.gpu.timing import host_milliseconds
from export.errors import ExportError
from export.to_engine import Precision, build_engine
from service.bundle import Bundle, read_bundle
from service.detection.golden import check_golden
from service.engines.onnx_cuda import CUDA
from service.engines.open import open_engine
from service.engines.protocol import Engine

MAX_BATCH = 16
COMPARED = (1, 3, 5, 8, 16, 21)
TIMED = (1, 4, 8, 16)
PRECISIONS: tuple[Precision, ...] = ("fp16", "fp32")


def run(options: Options, findings: Findings) -> None:
    """Build, check and measure each precision."""
    if not (find_spec("tensorrt") or find_spec("tensorrt_rtx")):
        raise SkippedError("needs tensorrt")
    for precision in PRECISIONS:
        bundle = build(options, precision, findings)
        with closing(open_engine(bundle, "tensorrt", num_streams=2)) as engine:
            check_golden(bundle, engine)
            findings.figure("golden image found")
            compare(bundle, precision, engine, COMPARED, findings)
            measure(bundle, f"TensorRT, {precision}", engine, findings)
    if CUDA in onnxruntime.get_available_providers():
        bundle = read_bundle(options.bundle)
        with closing(open_cuda(bundle, "fp32" if bundle.half_model_path is None else "fp16")) as engine:
            measure(bundle, f"ONNX Runtime, {engine.precision}", engine, findings)


def build(options: Options, precision: Precision, findings: Findings) -> Bundle:
    """A copy of the bundle with an engine for this GPU; raises SkippedError if this TensorRT does not build for it."""
    folder = folder_of(options, precision)
    shutil.copytree(options.bundle, folder)
    try:
        built = build_engine(folder, precision=precision, max_batch=MAX_BATCH)
    except ExportError as error:
        if find_spec("tensorrt") is None:  # TensorRT for RTX knows no GPU of a data centre
            raise SkippedError(f"TensorRT for RTX alone is installed: {error}") from error
        raise
    findings.figure(f"{precision}: {built.file.flavour} {built.file.version} built it in {built.seconds:.0f} s")
    return read_bundle(folder)


def measure(bundle: Bundle, name: str, engine: Engine, findings: Findings) -> None:
    """Time one caller at each batch size."""
    for count in TIMED:
        milliseconds = host_milliseconds(partial(engine, golden_images(bundle, count)))
        cells = {"batch": count, "ms a call": milliseconds, "images/s": f"{1e3 * count / milliseconds:.0f}"}
        findings.row("One caller", {"engine": name, **cells})


def folder_of(options: Options, precision: Precision) -> Path:
    return options.work / f"tensorrt-{precision}"


def built_bundle(options: Options) -> Path | None:
    """The bundle with an engine that this step has built, for the steps after it; None if it has built none."""
    folder = folder_of(options, "fp16")
    return folder if folder.exists() and read_bundle(folder).manifest.engines else None
