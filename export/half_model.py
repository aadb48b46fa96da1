"""The file model.fp16.onnx of a bundle: the model with its convolutions in fp16, for ONNX Runtime on a GPU.

It holds the nodes and the small constants. The filters stay in model.onnx beside it, which also has them in fp16.
"""

import tempfile
from pathlib import Path

import onnx

from export.errors import ExportError
from export.half_precision import to_half
from export.shared_constants import share_constants
from service.bundle import HALF_MODEL, MODEL, Bundle, BundleError, Manifest, write_bundle
from service.detection.golden import check_golden


def half_model(model: bytes) -> bytes:
    """The content of model.fp16.onnx for that of model.onnx; raises ExportError if a weight does not fit fp16."""
    half = to_half(onnx.load_from_string(model))
    share_constants(half, model)
    content: bytes = half.SerializeToString()
    return content


def write_with_half_model(path: Path, manifest: Manifest, files: dict[str, bytes]) -> tuple[Bundle, str | None]:
    """Write a bundle with `files`, and with the fp16 form if there can be one; else the second item is the reason."""
    problem = None
    try:
        files = files | half_model_files(manifest, files)
    except ExportError as error:
        problem = str(error)
    return write_bundle(path, manifest, files), problem


def half_model_files(manifest: Manifest, files: dict[str, bytes]) -> dict[str, bytes]:
    """The fp16 form of the model in `files`, by its name in the bundle.

    Raises ExportError if fp16 cannot hold the weights, or if ONNX Runtime misses golden detections with this form.
    """
    added = {HALF_MODEL: half_model(files[MODEL])}
    with tempfile.TemporaryDirectory() as folder:
        check_half_model(write_bundle(Path(folder) / manifest.name, manifest, files | added))
    return added


def check_half_model(bundle: Bundle) -> None:
    """Raise ExportError unless ONNX Runtime finds the golden detections with the bundle's fp16 form, on the CPU."""
    from service.engines.onnx_runtime import OnnxEngine

    engine = OnnxEngine(bundle, precision="fp16")
    try:
        check_golden(bundle, engine)
    except BundleError as error:
        raise ExportError("ONNX Runtime misses golden detections with it") from error
    finally:
        engine.close()
