"""The file model.fp16.onnx of a bundle: the model with its convolutions in fp16, for ONNX Runtime on a GPU.

It holds the nodes and the small constants. The filters stay in model.onnx beside it, which also has them in fp16. The
file gives their places there, in the form of ONNX's external data.
"""

import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto

from export.errors import ExportError
from export.half_precision import to_half
from service.bundle import HALF_MODEL, MODEL, Bundle, BundleError, Manifest, write_bundle
from service.detection.golden import check_golden

SMALLEST_SHARED = 256  # bytes; the place of a tensor takes about a hundred


def half_model(model: bytes) -> bytes:
    """The content of model.fp16.onnx for that of model.onnx; raises ExportError if a weight does not fit fp16."""
    half = to_half(onnx.load_from_string(model))
    for tensor in half.graph.initializer:
        values = tensor.raw_data
        place = model.find(values) if len(values) >= SMALLEST_SHARED else -1
        if place >= 0:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", MODEL), ("offset", place), ("length", len(values))):
                tensor.external_data.add(key=key, value=str(value))
    content: bytes = half.SerializeToString()
    return content


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
