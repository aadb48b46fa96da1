"""An ONNX network with plugin nodes, run by ONNX Runtime on the CPU in the two parts before and after these nodes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PluginNode:
    """A node that a plugin computes."""

    name: str
    operator: str
    domain: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


class Network:
    """A network whose plugin nodes do not depend on each other.

    `before` computes the plugins' inputs from the images, `after` the network's outputs from the plugins' outputs.
    """

    def __init__(self, content: bytes) -> None:
        model = onnx.load_from_string(content)
        self.inputs, self.outputs = list(model.graph.input), [value.name for value in model.graph.output]
        self.values = [*model.graph.input, *model.graph.output]
        self.plugins = [plugin_node(node) for node in model.graph.node if node.domain]
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self.constants: Arrays = {
            name: numpy_helper.to_array(constants[name])
            for plugin in self.plugins
            for name in plugin.inputs
            if name in constants
        }
        nodes = [node for node in model.graph.node if not node.domain]
        wanted = {name for plugin in self.plugins for name in plugin.inputs}
        before = needed(nodes, wanted)
        after = [node for node in nodes if not any(node is early for early in before)]
        computed = {name for node in before for name in node.output}
        read = {name for node in after for name in node.input} | set(self.outputs)
        self._between = sorted(computed & (wanted | read))
        types = {value.name: value.type.tensor_type.elem_type for value in typed(model).graph.value_info}
        passed = [(name, types[name]) for name in self._between]
        passed += [(plugin.output, TensorProto.FLOAT) for plugin in self.plugins]
        described = [helper.make_tensor_value_info(name, kind, None) for name, kind in passed]
        self._before = session(model, before, [], described[: len(self._between)]) if before else None
        self._after = session(model, after, described, list(model.graph.output))

    def before(self, images: NDArray[np.uint8]) -> Arrays:
        """The plugins' inputs, and the tensors that `after` needs."""
        feed = {self.inputs[0].name: images}
        computed = self._before.run(self._between, feed) if self._before else []
        return {**self.constants, **dict(zip(self._between, computed, strict=True))}

    def after(self, images: NDArray[np.uint8], tensors: Arrays) -> Arrays:
        """The network's outputs; `tensors` holds the plugins' outputs and what `before` returned."""
        read = {value.name for value in self._after.get_inputs()}
        feed = {name: value for name, value in {self.inputs[0].name: images, **tensors}.items() if name in read}
        return dict(zip(self.outputs, self._after.run(self.outputs, feed), strict=True))


def plugin_node(node: NodeProto) -> PluginNode:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    return PluginNode(node.name, node.op_type, node.domain, tuple(node.input), node.output[0], attributes)


def needed(nodes: list[NodeProto], wanted: set[str]) -> list[NodeProto]:
    """The nodes that compute `wanted`, in their order."""
    wanted, kept = set(wanted), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def typed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with the types of all tensors that do not depend on a plugin."""
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    del copied.graph.value_info[:]
    return onnx.shape_inference.infer_shapes(copied)


def session(
    model: onnx.ModelProto, nodes: list[NodeProto], inputs: list[Any], outputs: list[Any]
) -> onnxruntime.InferenceSession:
    """A session of some nodes; its inputs are the images and `inputs`."""
    read = {name for node in nodes for name in node.input}
    part = onnx.ModelProto()
    part.CopyFrom(model)
    for field in (part.graph.node, part.graph.input, part.graph.output, part.graph.initializer, part.graph.value_info):
        del field[:]
    part.graph.node.extend(nodes)
    part.graph.input.extend([*model.graph.input, *inputs])
    part.graph.output.extend(outputs)
    part.graph.initializer.extend(tensor for tensor in model.graph.initializer if tensor.name in read)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # so that the same images give the same bits
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(part.SerializeToString(), options, providers=["CPUExecutionProvider"])
