"""The offset convolution of one level, in the form of each engine and as ONNX's deformable convolution."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
import onnxruntime
import openvino
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.offset_conv_function import DOMAIN, NAME, VERSION, offset_conv_function
from export.to_onnx import OPSET
from service.engines.openvino.form import read_model
from service.engines.openvino.model import compile_model
from service.engines.openvino.sample_taps import TAPS
from service.engines.protocol import Precision

NUM_BOXES, CHANNELS, SIZE = 3, 256, 40  # of PASSD-320's largest level

Arrays = dict[str, NDArray[np.float32]]


def offset_conv_runs(num_filters: int, num_threads: int) -> Iterator[tuple[str, Callable[[], NDArray[np.float32]]]]:
    """Yield the name of each form and a function that runs it on x (1, 256, 40, 40) with three boxes a cell.

    The first is the standard operator that computes the same as the others.
    """
    rng = np.random.default_rng(0)
    features = rng.normal(size=(1, CHANNELS, SIZE, SIZE)).astype(np.float32)
    geometry = np.concatenate(
        [rng.normal(0, 0.3, (1, NUM_BOXES, 2, SIZE, SIZE)), rng.uniform(3, 8, (1, NUM_BOXES, 2, SIZE, SIZE))], axis=2
    ).astype(np.float32)
    inputs = {"x": features, "geometry": geometry.reshape(1, -1, SIZE, SIZE)}
    yield "ONNX Runtime, DeformConv", in_onnx_runtime(deform_conv(num_filters), num_threads, with_offsets(inputs))
    model = projected_conv(num_filters)
    yield "ONNX Runtime, our function", in_onnx_runtime(model, num_threads, inputs)
    precisions: tuple[Precision, ...] = ("fp32", "bf16")
    for precision in precisions:
        yield f"OpenVINO {precision}, our operator", in_openvino(model, num_threads, inputs, precision)


def projected_conv(num_filters: int) -> bytes:
    """x (B, C, H, W) and geometry (B, A*4, H, W) -> y (B, A*O, H, W) as bundles compute it: project, then sample."""
    weight = filter_banks(num_filters).transpose(0, 3, 4, 1, 2).reshape(-1, CHANNELS, 1, 1)
    bias = np.zeros(NUM_BOXES * num_filters, np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "weight"], ["z"]),
        helper.make_node(NAME, ["z", "geometry", "bias"], ["y"], domain=DOMAIN, boxes=NUM_BOXES),
    ]
    return serialized(nodes, {"x": CHANNELS, "geometry": NUM_BOXES * 4}, {"weight": weight, "bias": bias}, num_filters)


def deform_conv(num_filters: int) -> bytes:
    """x (B, C, H, W) and each box's tap offsets (B, 18, H, W) -> y (B, A*O, H, W): sample, then multiply."""
    constants = {f"weight{box}": bank for box, bank in enumerate(filter_banks(num_filters))}
    nodes = []
    for box in range(NUM_BOXES):
        names = ["x", f"weight{box}", f"offsets{box}"]
        nodes.append(helper.make_node("DeformConv", names, [f"y{box}"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Concat", [f"y{box}" for box in range(NUM_BOXES)], ["y"], axis=1))
    inputs = {"x": CHANNELS} | {f"offsets{box}": 2 * TAPS for box in range(NUM_BOXES)}
    return serialized(nodes, inputs, constants, num_filters)


def filter_banks(num_filters: int) -> NDArray[np.float32]:
    """Random filters (A, O, C, 3, 3), the same ones on each call."""
    shape = NUM_BOXES, num_filters, CHANNELS, 3, 3
    return np.random.default_rng(1).normal(0, 0.05, shape).astype(np.float32)


def serialized(nodes: list[onnx.NodeProto], inputs: dict[str, int], constants: Arrays, num_filters: int) -> bytes:
    """A model of these nodes; `inputs` gives each input's number of channels."""
    graph = helper.make_graph(
        nodes,
        "level",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["B", n, SIZE, SIZE]) for name, n in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", NUM_BOXES * num_filters, SIZE, SIZE])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, VERSION)]
    model = helper.make_model(graph, opset_imports=opsets, functions=[offset_conv_function()], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def with_offsets(inputs: Arrays) -> Arrays:
    """The same taps in DeformConv's form: for each box the offsets (y, x) from the regular grid (PASSD, eq. 4)."""
    geometry = inputs["geometry"].reshape(1, NUM_BOXES, 4, SIZE, SIZE)
    arrays = {"x": inputs["x"]}
    steps = np.array([-1, 0, 1], np.float32).reshape(3, 1, 1)
    for box in range(NUM_BOXES):
        shift_y, shift_x, height, width = geometry[0, box]
        y = np.repeat(shift_y + steps * (height / 3 - 1), 3, axis=0)  # (9, H, W), row-major
        x = np.tile(shift_x + steps * (width / 3 - 1), (3, 1, 1))
        arrays[f"offsets{box}"] = np.stack([y, x], axis=1).reshape(1, 2 * TAPS, SIZE, SIZE).astype(np.float32)
    return arrays


def in_onnx_runtime(model: bytes, num_threads: int, inputs: Arrays) -> Callable[[], NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, inputs)[0]


def in_openvino(
    model: bytes, num_threads: int, inputs: Arrays, precision: Precision
) -> Callable[[], NDArray[np.float32]]:
    graph = read_model(model, precision, [])
    graph.reshape({name: array.shape for name, array in inputs.items()})  # fixed shapes, as in the server
    request: openvino.InferRequest = compile_model(graph, precision, num_threads).create_infer_request()
    return lambda: request.infer(inputs, share_inputs=True, share_outputs=True)[0]
