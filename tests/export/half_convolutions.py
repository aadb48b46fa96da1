"""An assertion on the precision of the nodes in a graph's fp16 form."""

import onnx
from onnx import TensorProto

IN_FULL = ("Div", "Exp", "Mul", "Sigmoid", "Softmax", "Tanh", "TopK")


def assert_only_convolutions_are_half(model: onnx.ModelProto) -> None:
    """Convolutions and the ReLUs after them are fp16, and everything that computes boxes and scores is fp32."""
    types = element_types(model)
    convolved = {node.output[0] for node in model.graph.node if node.op_type == "Conv"}
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert {types[name] for name in node.input if name} == {TensorProto.FLOAT16}
        elif node.op_type == "OffsetConv":
            assert [types[name] for name in node.input] == [TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.FLOAT16]
        elif node.op_type in ("Relu", "Clip") and node.input[0] in convolved:
            assert {types[name] for name in node.input} == {TensorProto.FLOAT16}
        elif node.op_type in IN_FULL:
            assert TensorProto.FLOAT16 not in {types[name] for name in node.input}, node.op_type
    outputs = [types[output.name] for output in model.graph.output]
    assert outputs == [TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT32]


def element_types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type of each tensor by name."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values} | {
        tensor.name: tensor.data_type for tensor in graph.initializer
    }
