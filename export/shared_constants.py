"""A second form of a model whose large constants stay in model.onnx, beside which it lies.

The form gives their places there, in ONNX's form of external data.
"""

import onnx
from onnx import TensorProto

from service.bundle import MODEL

SMALLEST_SHARED = 256  # bytes; the place of a tensor takes about a hundred


def share_constants(form: onnx.ModelProto, model: bytes) -> None:
    """Replace each large constant of `form` that the content of model.onnx also has by its place there."""
    for tensor in form.graph.initializer:
        values = tensor.raw_data
        place = model.find(values) if len(values) >= SMALLEST_SHARED else -1
        if place >= 0:
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            for key, value in (("location", MODEL), ("offset", place), ("length", len(values))):
                tensor.external_data.add(key=key, value=str(value))
