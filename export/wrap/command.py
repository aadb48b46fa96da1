"""What the verb wrap of `python -m export` does."""

import argparse
import shlex
from contextlib import closing
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from export.build import BOX_TOLERANCE, SCORE_TOLERANCE
from export.card import read_card
from export.errors import ExportError
from export.parity import Difference, difference
from export.wrap.assembly import BATCHINGS
from export.wrap.checks import Tolerance
from export.wrap.class_names import BACKGROUND, read_class_names
from export.wrap.examination import Wish, noise
from export.wrap.kinds import KINDS
from export.wrap.normalisation import Normalisation, PerChannel
from export.wrap.wrap import wrap
from service.bundle import HALF_MODEL, Bundle, BundleError
from service.command_names import named
from service.detection.golden import check_golden
from service.detection.pipeline import Pipeline
from service.engines.open import open_engine
from service.engines.protocol import EngineError, EngineName, Precision

ERRORS = BundleError, EngineError, ExportError, OSError
# The engines that serve on a CPU, as `python -m service` takes them, the fastest first.
SERVING: tuple[tuple[EngineName, Precision, str], ...] = (
    ("openvino", "auto", ""),
    ("openvino", "fp32", " --precision fp32"),
    ("onnx", "auto", " --engine onnx"),
)


def run_wrap(options: argparse.Namespace) -> None:
    wish = wish_of(options)
    wrapped = wrap(options.model, options.out, wish)
    examined, manifest = wrapped.examined, wrapped.bundle.manifest
    images = examined.model.images
    size = f"{manifest.input.height}×{manifest.input.width} (height×width)"
    print(f"input {images.name}: {images.dtype} {images.axes}, {size}, {manifest.input.resize}, {wish.normalisation}")
    print(f"output {examined.layout.found}; {BATCHINGS[wrapped.graph.batching]}")
    num_bytes = sum(path.stat().st_size for path in options.out.iterdir())
    print(
        f"{options.out}: {num_bytes / 1e6:.1f} MB, {len(manifest.classes)} classes, {len(manifest.golden.detections)} "
        f"detections in its golden image; agrees with the model, decoded by hand, to {wrapped.graph.parity}"
    )
    if wrapped.half_problem:
        print(f"it has no {HALF_MODEL}, so GPUs compute in fp32 unless TensorRT does: {wrapped.half_problem}")
    if examined.doubt:
        print(f"WARNING: {examined.doubt}; check --kind, --scale, --channels, --mean, --std and --resize")
    serving = serving_options(wrapped.bundle, examined.tolerance)
    print(f"serve it with: {named('python -m service')} --bundle {shlex.quote(str(options.out))}{serving}")


def wish_of(options: argparse.Namespace) -> Wish:
    """The user's options, completed by the kind's defaults; raises ExportError."""
    kind = KINDS[options.kind]
    if options.activation and options.kind != "detr":
        raise ExportError(f"--activation is for --kind detr, and --kind is {options.kind}; leave it out")
    classes = read_class_names(options.classes) if options.classes is not None else None
    if options.kind in ("torchvision", "tensorflow") and classes and classes[0].lower() in BACKGROUND:
        classes = classes[1:]  # their label 0
    normalisation = normalisation_of(options)
    if options.kind == "candidates" and normalisation != kind.normalisation:
        raise ExportError(
            "--kind candidates takes a graph that prepares its pixels itself; leave --scale, --mean, --std and "
            "--channels out"
        )
    return Wish(
        kind=options.kind,
        classes=classes,
        golden=options.golden,
        name=options.name or options.out.resolve().name,
        version=options.version,
        nms=options.nms,
        score_threshold=options.score_threshold,
        normalisation=normalisation,
        resize=options.resize or kind.resize,
        size=options.size,
        activation=options.activation,
        card=read_card(options.card) if options.card else None,
    )


def normalisation_of(options: argparse.Namespace) -> Normalisation:
    """The kind's normalisation with the parts that the options give; raises ExportError."""
    default = KINDS[options.kind].normalisation
    if options.scale not in (None, default.scale):  # the kind's statistics are in another unit
        default = Normalisation(options.scale, channels=default.channels)
    mean = default.mean if options.mean is None else per_channel("--mean", options.mean)
    std = default.std if options.std is None else per_channel("--std", options.std)
    if not all(std):
        raise ExportError("--std is 0; the pixels are divided by it")
    return replace(default, mean=mean, std=std, channels=options.channels or default.channels)


def per_channel(option: str, numbers: list[float]) -> PerChannel:
    """One number for all three channels, or one for each."""
    if len(numbers) not in (1, 3) or not np.isfinite(numbers).all():
        raise ExportError(f"{option} {' '.join(map(str, numbers))}: give one number, or one for each of the 3 channels")
    first, second, third = numbers * (3 // len(numbers))
    return first, second, third


def serving_options(bundle: Bundle, tolerance: Tolerance) -> str:
    """The options with which a server on this machine's CPU finds the golden detections; prints OpenVINO's parity.

    Raises ExportError if there are none.
    """
    faults = []
    if not find_spec("openvino"):
        print("OpenVINO is not installed and was not compared; install it with `pip install '.[cpu]'`")
    for name, precision, words in SERVING:
        if not find_spec({"onnx": "onnxruntime"}.get(name, name)):
            continue
        try:
            with closing(open_engine(bundle, name, precision=precision)) as engine:
                check_golden(bundle, engine)
            if name == "openvino":
                print(f"OpenVINO agrees with ONNX Runtime to {openvino_parity(bundle, tolerance)}")
        except (BundleError, EngineError, ExportError) as error:
            faults.append(f"{name}: {error}")
            continue
        for fault in dict.fromkeys(faults):
            print(f"not served with {fault}")
        return words if find_spec("openvino") else ""
    raise ExportError(f"no engine finds the golden detections: {'; '.join(faults)}")


def openvino_parity(bundle: Bundle, tolerance: Tolerance) -> Difference:
    """OpenVINO's difference from ONNX Runtime, both in fp32; raises ExportError if it is more than rounding."""
    spec = bundle.manifest.input
    with closing(open_engine(bundle, "onnx")) as onnx_engine:
        golden, _ = Pipeline(bundle, onnx_engine).prepare(bundle.golden_path.read_bytes())
        images = np.stack([golden, golden[:, ::-1], noise(spec)])
        reference = onnx_engine(images)
    with closing(open_engine(bundle, "openvino", precision="fp32")) as engine:
        found = difference(reference, engine(images), inside=spec)
    if found.exceeds(max(BOX_TOLERANCE, tolerance.boxes), max(SCORE_TOLERANCE, tolerance.scores)):
        raise ExportError(f"in fp32 it differs from ONNX Runtime by {found}")
    return found
