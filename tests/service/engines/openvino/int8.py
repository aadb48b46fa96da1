"""A bundle with a form in int8 that is made without NNCF."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from service.bundle import Bundle, Int8Form, add_int8
from tests.tiny_bundle import tiny_model, write_tiny_bundle

FORM = Int8Form(data_set="blocks/train", num_images=1, max_loss=0.5, loss=0.0)
STEP = 4.0  # of the quantised pixels: the form gives multiples of it


def write_int8_bundle(path: Path, *, loss: float = 0.0) -> Bundle:
    """The tiny bundle with a form whose pixels are rounded to multiples of STEP."""
    bundle = write_tiny_bundle(path)
    return add_int8(bundle.path, FORM.model_copy(update={"loss": loss}), tiny_int8_model().SerializeToString())


def tiny_int8_model() -> onnx.ModelProto:
    """The tiny model with a convolution in int8 before the blocks are averaged.

    It multiplies each channel by one; its image and its filters are quantised as NNCF does it.
    """
    model = tiny_model()
    constants = {
        "step": np.array(STEP, np.float32),
        "zero": np.array(0, np.uint8),
        "filters": np.full((2, 1, 1, 1), 64, np.int8),
        "filter_step": np.full(2, 1 / 64, np.float32),
        "filter_zero": np.zeros(2, np.int8),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes = [
        helper.make_node("QuantizeLinear", ["red_green", "step", "zero"], ["integers"]),
        helper.make_node("DequantizeLinear", ["integers", "step", "zero"], ["rounded"]),
        helper.make_node("DequantizeLinear", ["filters", "filter_step", "filter_zero"], ["ones"], axis=0),
        helper.make_node("Conv", ["rounded", "ones"], ["convolved"], group=2),
    ]
    average = next(index for index, node in enumerate(model.graph.node) if node.op_type == "AveragePool")
    model.graph.node[average].input[0] = "convolved"
    for place, node in enumerate(nodes, average):
        model.graph.node.insert(place, node)
    onnx.checker.check_model(model)
    return model
