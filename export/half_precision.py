"""Rewrites an exported graph for GPUs: convolutions in fp16, everything that computes boxes and scores in fp32.

The precision is written into the graph, because strongly typed engines take it from there. Convolutions, the offset
convolution's map, and simple operators between them (CARRIERS) are fp16. The others stay fp32: normalisation, the
geometry of the adjusted boxes, decoding, softmax or sigmoid, and top-k. Casts stand between fp16 and fp32 nodes.
"""

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from export.errors import ExportError
from service.engines.tensorrt.plugin import OPERATOR

GEOMETRY = 1  # the index of OffsetConv's input that stays fp32
# fp16 if their inputs are; of Clip, which ReLU6 is, the bounds are constants
CARRIERS = {"Add", "Clip", "Concat", "MaxPool", "Relu", "Reshape", "Resize", "Split", "Transpose"}
SHAPED = {"Reshape", "Resize", "Split"}  # only the first input of these is data


def to_half(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of an exported fp32 model whose convolutions are fp16; inputs and outputs keep their types.

    Raises ExportError if a weight is too large for fp16, or if the graph has inner graphs, which are not rewritten, or
    parts that are fp16 already.
    """
    if has_inner_graphs(model):
        raise ExportError("the model has loops or branches; build with --precision fp32")
    rewritten = _Rewriting(model).run()
    try:
        onnx.checker.check_model(rewritten, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ExportError(f"the model cannot be rewritten in fp16 ({reason}); build with --precision fp32") from error
    return rewritten


def has_inner_graphs(model: onnx.ModelProto) -> bool:
    """Whether a model has loops or branches, whose nodes are in graphs of their own."""
    return any(attribute.HasField("g") for node in model.graph.node for attribute in node.attribute)


class _Rewriting:
    """One pass over the nodes.

    A tensor `x` that is computed in fp16 is called `x.half`. If a node needs `x` in fp32, a Cast computes `x` from it.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.halves: dict[str, str] = {}  # a tensor -> its fp16 form
        self.computed_in_half: set[str] = set()
        self.cast_to_full: set[str] = set()  # the part of `computed_in_half` that already has its Cast to fp32
        self.nodes: list[NodeProto] = []

    def run(self) -> onnx.ModelProto:
        graph = self.model.graph
        for node in graph.node:
            self.rewrite(node)
        for output in graph.output:
            self.in_full(output.name)
        nodes = used(self.nodes, {output.name for output in graph.output})
        read = {name for node in nodes for name in node.input}
        tensors = [tensor for name, tensor in self.constants.items() if name in read]
        del graph.node[:], graph.initializer[:], graph.value_info[:]
        graph.node.extend(nodes)
        graph.initializer.extend(tensors)
        return self.model

    def rewrite(self, node: NodeProto) -> None:
        """Append the node in the precision that it is computed in, and the Casts that it needs."""
        new = NodeProto()
        new.CopyFrom(node)
        if node.op_type in ("Conv", OPERATOR):
            data = [i for i, name in enumerate(node.input) if name and not (node.op_type == OPERATOR and i == GEOMETRY)]
        elif node.op_type in CARRIERS:
            data = [0] if node.op_type in SHAPED else [i for i, name in enumerate(node.input) if name]
            deciding = data[:1] if node.op_type == "Clip" else data
            data = data if all(node.input[i] in self.computed_in_half for i in deciding) else []
        else:
            data = []
            if node.op_type == "Cast" and _stored_as_half(node, self.constants):
                self.halves[node.output[0]] = node.input[0]
            elif node.op_type == "Cast" and node.input[0] in self.constants:  # a bound of Clip
                self.constants[node.output[0]] = _cast_constant(self.constants[node.input[0]], node)
                return
        for i, name in enumerate(node.input):
            if i in data:
                new.input[i] = self.in_half(name)
            elif node.op_type == "Shape":
                new.input[i] = self.halves.get(name, name)
            else:
                self.in_full(name)
        if data and node.op_type != OPERATOR:  # the output of OffsetConv is fp32
            for i, name in enumerate(node.output):
                new.output[i] = self.halves[name] = f"{name}.half"
                self.computed_in_half.add(name)
        self.nodes.append(new)

    def in_half(self, name: str) -> str:
        """The name of a tensor's fp16 form: computed in fp16, a converted constant, or the output of a Cast."""
        if name in self.halves:
            return self.halves[name]
        half = self.halves[name] = f"{name}.half"
        if name in self.constants:
            self.constants[half] = _half_constant(self.constants[name], half)
        else:
            self.nodes.append(helper.make_node("Cast", [name], [half], to=TensorProto.FLOAT16))
        return half

    def in_full(self, name: str) -> None:
        """Append the Cast that computes `name` in fp32, if it is computed in fp16 and has no such Cast yet."""
        if name in self.computed_in_half - self.cast_to_full:
            self.nodes.append(helper.make_node("Cast", [self.halves[name]], [name], to=TensorProto.FLOAT))
            self.cast_to_full.add(name)


def _stored_as_half(node: NodeProto, constants: dict[str, TensorProto]) -> bool:
    tensor = constants.get(node.input[0])
    return tensor is not None and tensor.data_type == TensorProto.FLOAT16


def _half_constant(tensor: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(tensor)
    largest = float(np.abs(values).max(initial=0))
    if not largest <= float(np.finfo(np.float16).max):
        raise ExportError(f"{tensor.name}: a value of {largest:g} does not fit fp16; build with --precision fp32")
    return numpy_helper.from_array(values.astype(np.float16), name)


def _cast_constant(tensor: TensorProto, cast: NodeProto) -> TensorProto:
    (to,) = [attribute.i for attribute in cast.attribute if attribute.name == "to"]
    return numpy_helper.from_array(
        numpy_helper.to_array(tensor).astype(helper.tensor_dtype_to_np_dtype(to)), cast.output[0]
    )


def used(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """The nodes that `wanted` depends on. This drops the Casts of stored filters, which no node reads now."""
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]
