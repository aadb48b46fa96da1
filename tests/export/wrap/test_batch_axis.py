"""A graph for one image becomes one for any number: by other shapes, or in a loop."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from export.errors import ExportError
from export.half_precision import to_half
from export.int8_model import quantise
from export.wrap.batch_axis import free_batch_axis, in_a_loop
from service.engines.tensor_contract import OUTPUTS
from tests.export.wrap.networks import CLASSES, HEIGHT, NUM_CELLS, WIDTH, yolov8
from tests.tiny_bundle import NUM_CANDIDATES, SIZE, tiny_model


def run(model: onnx.ModelProto, images: np.ndarray, names: tuple[str, ...] | None = None) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    found: list[np.ndarray] = session.run(names, {"images": images})
    return found


@pytest.mark.parametrize("size", [1, 3])
def test_a_loop_gives_the_outputs_of_each_image(size: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (size, SIZE, SIZE, 3), dtype=np.uint8)
    together = run(in_a_loop(tiny_model(), NUM_CANDIDATES), images, OUTPUTS)
    for number in range(size):
        alone = run(tiny_model(), images[number : number + 1], OUTPUTS)
        for found, expected in zip(together, alone, strict=True):
            np.testing.assert_array_equal(found[number], expected[0])


def test_a_loop_keeps_the_constants_outside() -> None:
    looped = in_a_loop(tiny_model(), NUM_CANDIDATES)
    onnx.checker.check_model(looped, full_check=True)
    (loop,) = [node for node in looped.graph.node if node.op_type == "Loop"]
    assert not loop.attribute[0].g.initializer
    assert {tensor.name for tensor in tiny_model().graph.initializer} < {t.name for t in looped.graph.initializer}


def test_a_fixed_batch_is_freed() -> None:
    model = yolov8(batch=1)
    images = np.random.default_rng(0).random((3, 3, HEIGHT, WIDTH), np.float32)
    alone = [run(model, images[number : number + 1])[0][0] for number in range(3)]
    free_batch_axis(model, ["images"])
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    (found,) = run(model, images)
    assert found.shape == (3, 4 + len(CLASSES), NUM_CELLS)
    np.testing.assert_allclose(found, alone, atol=1e-4)


def test_only_shapes_of_tensors_that_depend_on_the_image_are_freed() -> None:
    model = yolov8(batch=1)
    shapes = {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in model.graph.initializer}
    free_batch_axis(model, ["no such input"])
    assert {tensor.name: numpy_helper.to_array(tensor).tolist() for tensor in model.graph.initializer} == shapes


def test_a_model_in_a_loop_is_neither_rewritten_in_fp16_nor_quantised() -> None:
    looped = in_a_loop(tiny_model(), NUM_CANDIDATES)
    with pytest.raises(ExportError, match="the model has loops or branches; build with --precision fp32"):
        to_half(looped)
    with pytest.raises(ExportError, match="the model runs in a loop or has branches"):
        quantise(looped.SerializeToString(), [])


def test_a_model_in_fp16_is_not_quantised() -> None:
    with pytest.raises(ExportError, match="the model computes in fp16, and only fp32 can be quantised"):
        quantise(yolov8(half=True).SerializeToString(), [])
