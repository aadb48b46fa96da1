"""The nodes before a detector give it the pixels that NumPy gives the original model."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from export.errors import ExportError
from export.wrap import by_hand
from export.wrap.foreign_model import ForeignModel
from export.wrap.normalisation import IMAGE_NET, Normalisation
from export.wrap.preparation import preparation
from service.bundle import InputSpec
from tests.export.wrap.networks import HEIGHT, WIDTH, write_model

SPEC = InputSpec(height=HEIGHT, width=WIDTH, resize="stretch")
FLOAT, HALF, UINT8 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8
Shape = tuple[str | int, ...]


def copying(path: Path, inputs: dict[str, tuple[int, Shape]]) -> ForeignModel:
    """A model whose outputs are its inputs."""
    given = [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items()]
    outputs = [helper.make_tensor_value_info(f"{name}.out", kind, shape) for name, (kind, shape) in inputs.items()]
    nodes = [helper.make_node("Identity", [name], [f"{name}.out"]) for name in inputs]
    graph = helper.make_graph(nodes, "copying", given, outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    return ForeignModel(write_model(path / "model.onnx", model))


@pytest.mark.parametrize(
    ("kind", "shape", "normalisation"),
    [
        (FLOAT, ("B", 3, "H", "W"), Normalisation()),
        (FLOAT, ("B", 3, HEIGHT, WIDTH), IMAGE_NET),
        (FLOAT, ("B", HEIGHT, WIDTH, 3), IMAGE_NET),
        (FLOAT, (1, 3, HEIGHT, WIDTH), Normalisation("0-255", channels="bgr")),
        (FLOAT, ("B", HEIGHT, WIDTH, 3), Normalisation("0-255", (1, 2, 3), (4, 5, 6), "bgr")),
        (HALF, ("B", 3, HEIGHT, WIDTH), Normalisation()),
        (UINT8, ("B", HEIGHT, WIDTH, 3), Normalisation("0-255")),
        (UINT8, ("B", 3, HEIGHT, WIDTH), Normalisation("0-255", channels="bgr")),
        (FLOAT, (3, HEIGHT, WIDTH), Normalisation()),
    ],
)
@pytest.mark.parametrize("opset", [14, 20])
def test_the_pixels_are_those_of_numpy(
    tmp_path: Path, kind: int, shape: Shape, normalisation: Normalisation, opset: int
) -> None:
    inputs: dict[str, tuple[int, Shape]] = {"pixels": (kind, shape)}
    if shape[0] == "B":
        inputs |= {"orig_target_sizes": (TensorProto.INT64, ("B", 2)), "pixel_mask": (FLOAT, ("B", HEIGHT, WIDTH))}
    model = copying(tmp_path, inputs)
    images = np.random.default_rng(0).integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    images = images if shape[0] == "B" else images[:1]
    nodes, constants = preparation(model, normalisation, SPEC, {name: name for name in inputs})
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, (kind, _) in inputs.items()]
    given = helper.make_tensor_value_info("images", UINT8, ["B", HEIGHT, WIDTH, 3])
    graph = helper.make_graph(nodes, "preparation", [given], outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    found = onnxruntime.InferenceSession(made.SerializeToString()).run(list(inputs), {"images": images})
    each = [by_hand.feeds(model, normalisation, image) for image in images]
    for name, value in zip(inputs, found, strict=True):
        expected = np.concatenate([feeds[name] for feeds in each])
        assert value.dtype == expected.dtype
        np.testing.assert_allclose(value, expected, rtol=1e-6, atol=1e-6)


def test_uint8_pixels_are_not_normalised_twice(tmp_path: Path) -> None:
    model = copying(tmp_path, {"pixels": (UINT8, ("B", 3, HEIGHT, WIDTH))})
    with pytest.raises(ExportError, match="it takes uint8 pixels, and normalises them itself; give --scale 0-255"):
        preparation(model, Normalisation(), SPEC, {"pixels": "pixels"})
