"""`singleshot::OffsetConv` against plain loops in float64: its function in ONNX Runtime, its operator in OpenVINO."""

import math
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from export.offset_conv_function import DOMAIN, NAME, VERSION, offset_conv_function
from export.to_onnx import OPSET
from models.passd.offset_conv import sample_taps, sampling_positions
from tests.models import oracles

HEIGHT, WIDTH = 5, 7
ONNX_TYPES = {np.float32: TensorProto.FLOAT, np.float16: TensorProto.FLOAT16}

Floats = NDArray[np.floating]
Place = tuple[int, int, int, int, int]  # image, box, filter, row, column


def one_node(z: Floats, geometry: Floats, bias: Floats, boxes: int) -> bytes:
    """A model with a dynamic batch, for inputs of these types and shapes.

    z is (B, A*9*O, H, W), geometry (B, A*4, H, W) and bias (A*O).
    """
    kind = ONNX_TYPES[z.dtype.type]
    graph = helper.make_graph(
        [helper.make_node(NAME, ["z", "geometry", "bias"], ["y"], domain=DOMAIN, boxes=boxes)],
        "one_node",
        [
            helper.make_tensor_value_info("z", kind, ["B", *z.shape[1:]]),
            helper.make_tensor_value_info("geometry", TensorProto.FLOAT, ["B", *geometry.shape[1:]]),
            helper.make_tensor_value_info("bias", kind, bias.shape),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", len(bias), *z.shape[2:]])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    model = helper.make_model(graph, opset_imports=opsets, functions=[offset_conv_function()], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString()
    return content


def run_onnx(z: Floats, geometry: Floats, bias: Floats, boxes: int) -> Floats:
    """The output in ONNX Runtime."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    model = one_node(z, geometry, bias, boxes)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    output: Floats = session.run(None, {"z": z, "geometry": geometry, "bias": bias})[0]
    assert output.dtype == np.float32
    return output


def run_openvino(z: Floats, geometry: Floats, bias: Floats, boxes: int) -> Floats:
    """The output in OpenVINO."""
    pytest.importorskip("openvino", reason="OpenVINO is an optional engine: pip install .[cpu]")
    from service.engines.openvino.form import read_model
    from service.engines.openvino.model import compile_model

    compiled = compile_model(read_model(one_node(z, geometry, bias, boxes), "fp32", []), "fp32", 1)
    output: Floats = compiled({"z": z, "geometry": geometry, "bias": bias})["y"]
    return output


Run = Callable[[Floats, Floats, Floats, int], Floats]
every_engine = pytest.mark.parametrize("run", [run_onnx, run_openvino])


def inputs(
    batch: int, boxes: int, filters: int, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> tuple[Floats, Floats, Floats]:
    """Random z, geometry and bias: shifts of some cells, so that taps fall inside, across borders and outside."""
    rng = np.random.default_rng(batch * 1000 + boxes * 100 + filters)
    geometry = rng.normal(0, 1.5, (batch, boxes, 4, *size))
    geometry[:, :, 2:] = rng.uniform(0.5, 8, (batch, boxes, 2, *size))
    z = rng.normal(size=(batch, boxes * 9 * filters, *size)).astype(np.float32)
    bias = rng.normal(size=boxes * filters).astype(np.float32)
    return z, geometry.reshape(batch, boxes * 4, *size).astype(np.float32), bias


def expected(z: Floats, geometry: Floats, bias: Floats, boxes: int, places: list[Place]) -> list[float]:
    """The output at each place, computed by plain loops."""
    filters = len(bias) // boxes
    values = []
    for image, box, o, row, column in places:
        own = geometry[image, box * 4 : box * 4 + 4, row, column]
        shift_y, shift_x, height, width = own.astype(np.float64).tolist()
        total = float(bias[box * filters + o])
        for tap in range(9):
            y, x = row + shift_y + (tap // 3 - 1) * height / 3, column + shift_x + (tap % 3 - 1) * width / 3
            if math.isfinite(y) and math.isfinite(x):
                total += oracles.bilinear(z[image, (box * 9 + tap) * filters + o].tolist(), y, x)
        values.append(total)
    return values


def all_places(batch: int, boxes: int, filters: int, size: tuple[int, int], at_most: int) -> list[Place]:
    """Every place, or `at_most` random ones if there are more."""
    shape = (batch, boxes, filters, *size)
    flat = np.arange(math.prod(shape))
    if len(flat) > at_most:
        flat = np.random.default_rng(0).choice(flat, at_most, replace=False)
    return list(zip(*(axis.tolist() for axis in np.unravel_index(flat, shape)), strict=True))


def at(output: Floats, boxes: int, places: list[Place]) -> list[float]:
    by_box = output.reshape(len(output), boxes, -1, *output.shape[2:])
    return [float(by_box[place]) for place in places]


@every_engine
@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("filters", [8, 25, 85])
@pytest.mark.parametrize("boxes", [1, 3])
def test_output_equals_that_of_plain_loops(boxes: int, filters: int, batch: int, run: Run) -> None:
    given = inputs(batch, boxes, filters)
    places = all_places(batch, boxes, filters, (HEIGHT, WIDTH), at_most=500)
    found = run(*given, boxes)
    np.testing.assert_allclose(at(found, boxes, places), expected(*given, boxes, places), rtol=0, atol=2e-5)


@every_engine
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (6, 1)])
def test_output_is_right_on_maps_of_one_row_or_column(size: tuple[int, int], run: Run) -> None:
    given = inputs(2, 2, 5, size)
    places = all_places(2, 2, 5, size, at_most=1000)
    np.testing.assert_allclose(at(run(*given, 2), 2, places), expected(*given, 2, places), rtol=0, atol=2e-5)


WILD = [
    *(0.0, -0.0, 1e-30, 0.5, -1.0, -0.99999, -1.00001, float(HEIGHT), float(WIDTH)),
    *(1e3, -1e3, 16777217.0, 1e12, -1e12, 3e38, -3e38, math.inf, -math.inf, math.nan),
]


@every_engine
def test_taps_far_outside_infinite_or_not_a_number_contribute_nothing(run: Run) -> None:
    z, geometry, bias = inputs(2, 3, 8)
    rng = np.random.default_rng(1)
    is_wild = rng.random(geometry.shape) < 0.6
    geometry[:] = np.where(is_wild, rng.choice(np.array(WILD, np.float32), geometry.shape), geometry)
    places = all_places(2, 3, 8, (HEIGHT, WIDTH), at_most=1000)
    found = run(z, geometry, bias, 3)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(at(found, 3, places), expected(z, geometry, bias, 3, places), rtol=0, atol=2e-5)


@every_engine
@pytest.mark.parametrize("wild", [1e30, math.inf, -math.inf, math.nan])
def test_a_box_without_a_position_on_the_map_gives_the_bias(wild: float, run: Run) -> None:
    z, geometry, bias = inputs(1, 1, 8)
    geometry[:, :2] = wild
    found = run(z, geometry, bias, 1)
    np.testing.assert_array_equal(found, np.broadcast_to(bias.reshape(1, -1, 1, 1), found.shape))


def test_sampling_in_torch_gives_the_same_output() -> None:
    z, geometry, bias = inputs(2, 3, 25, (10, 12))
    positions = sampling_positions(torch.from_numpy(geometry).view(2, 3, 4, 10, 12))
    reference = sample_taps(torch.from_numpy(z), positions, torch.from_numpy(bias).view(3, -1)).flatten(1, 2)
    np.testing.assert_allclose(run_onnx(z, geometry, bias, 3), reference.numpy(), rtol=0, atol=5e-5)


def test_a_half_precision_map_is_summed_in_single_precision() -> None:
    """Positions at the far end of a wide map are not rounded to fp16, and neither is the sum."""
    z, geometry, bias = inputs(2, 1, 8, (3, 200))
    z, bias = z.astype(np.float16), bias.astype(np.float16)
    found = run_onnx(z, geometry, bias, 1)
    reference = run_onnx(z.astype(np.float32), geometry, bias.astype(np.float32), 1)
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-6)


def test_openvino_s_operator_and_its_copies_can_be_released_from_the_model() -> None:
    """OpenVINO itself frees none of them."""
    pytest.importorskip("openvino", reason="OpenVINO is an optional engine: pip install .[cpu]")
    from service.engines.openvino.form import read_model
    from service.engines.openvino.model import compile_model
    from service.engines.openvino.offset_conv import OffsetConv, release

    operators: list[OffsetConv] = []
    z, geometry, bias = inputs(1, 1, 8)
    compiled = compile_model(read_model(one_node(z, geometry, bias, 1), "fp32", operators), "fp32", 1)
    kept = list(operators)
    assert len(kept) > 1  # compile_model made copies
    del compiled
    release(operators)
    assert not operators
    assert {value.get_node().get_type_name() for operator in kept for value in operator.input_values()} == {"Parameter"}
    assert all(str(operator.input_value(0).get_partial_shape()) == "[?,5,7,72]" for operator in kept)
