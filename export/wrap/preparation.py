"""The part of a bundle's graph before the detector: from uint8 images (B, H, W, 3) RGB to the detector's own inputs."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.errors import ExportError
from export.wrap.foreign_model import MASK, ForeignModel
from export.wrap.normalisation import Normalisation
from service.bundle import InputSpec
from service.engines.tensor_contract import IMAGES


def preparation(
    model: ForeignModel, normalisation: Normalisation, spec: InputSpec, names: Mapping[str, str]
) -> tuple[list[NodeProto], list[TensorProto]]:
    """The nodes, and the constants that they read. `names` are those of the detector's inputs in the bundle's graph.

    The operators have the same meaning in all opsets from 14. Raises ExportError if the pixels do not fit the detector.
    """
    target = model.images
    if target.dtype == "uint8" and not normalisation.is_identity:
        raise ExportError(
            f"{model.path}: it takes uint8 pixels, and normalises them itself; give --scale 0-255, and neither --mean "
            "nor --std"
        )
    steps = _Steps()
    value = IMAGES
    if target.dtype != "uint8":  # first of all, because TensorRT computes nothing else in uint8
        value = steps.add("Cast", value, to=TensorProto.FLOAT)
    if normalisation.channels == "bgr":
        value = steps.add("Gather", value, steps.constant([2, 1, 0], np.int64), axis=3)
    if target.axes != "NHWC":  # engines on a CPU are several times slower if the last axis has three elements
        value = steps.add("Transpose", value, perm=[0, 3, 1, 2])
    shape = (3,) if target.axes == "NHWC" else (3, 1, 1)
    if normalisation.scale == "0-1":
        value = steps.add("Div", value, steps.constant(255, np.float32))
    if normalisation.has_statistics:
        value = steps.add("Sub", value, steps.constant(np.reshape(normalisation.mean, shape), np.float32))
        value = steps.add("Div", value, steps.constant(np.reshape(normalisation.std, shape), np.float32))
    if target.dtype == "float16":
        value = steps.add("Cast", value, to=TensorProto.FLOAT16)
    if target.axes == "CHW":
        value = steps.add("Reshape", value, steps.constant([3, spec.height, spec.width], np.int64))
    steps.name_output(value, names[target.name])
    for further in model.further:
        one = np.ones((1, spec.height, spec.width)) if further.name == MASK else np.array([[spec.width, spec.height]])
        ends = steps.constant([0], np.int64), steps.constant([1], np.int64)
        batch = steps.add("Slice", steps.add("Shape", IMAGES), *ends)
        lengths = steps.add("Concat", batch, steps.constant(one.shape[1:], np.int64), axis=0)
        steps.name_output(steps.add("Expand", steps.constant(one, further.dtype), lengths), names[further.name])
    return steps.nodes, steps.constants


class _Steps:
    """Nodes in their order, and the constants that they read; each step's output has the name of its number."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, **attributes: int | list[int]) -> str:
        output = f"before/step{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, value: ArrayLike, dtype: DTypeLike) -> str:
        name = f"before/constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def name_output(self, value: str, name: str) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name], name=name))
