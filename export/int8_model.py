"""The file model.int8.onnx of a bundle: the model with convolutions in int8, quantised by NNCF.

Each convolution in int8 reads its image and its filters through the operators QuantizeLinear and DequantizeLinear; an
engine that knows them computes it in integers. Everything else, also all coordinates, is as in model.onnx. The filters
stay there, too.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, inliner, numpy_helper

from export.errors import ExportError
from export.half_precision import has_inner_graphs, used
from export.shared_constants import share_constants

QUANTISED = "Conv"  # the only operator that is quantised; a convolution takes nearly all of the time
FILTERS = 1  # the index of a convolution's input


@dataclass(frozen=True)
class QuantisedModel:
    """What NNCF made of a model, from which forms with fewer layers in int8 are made.

    `model` is the content of model.onnx, and `layers` are its convolutions by the names of their filters. Convolutions
    that share filters are one layer.
    """

    model: bytes
    quantised: onnx.ModelProto
    layers: tuple[str, ...]

    def form(self, float_layers: Collection[str] = ()) -> bytes:
        """The content of model.int8.onnx if `float_layers` are not quantised."""
        form = onnx.load_from_string(self.model)
        splice(form, self.quantised, float_layers)
        share_constants(form, self.model)
        content: bytes = form.SerializeToString()
        return content


def quantise(model: bytes, images: Sequence[NDArray[np.uint8]]) -> QuantisedModel:
    """Quantise all convolutions of a bundle's model for the activations that `images` give, uint8 (H, W, 3) each.

    Weights take all eight bits, so CPUs without VNNI instructions would clip sums of two products. With seven bits none
    would, but half as many detections again would change. Shows progress bars. Raises ExportError if NNCF is missing,
    or if the model has loops, branches, or convolutions in fp16.
    """
    read = onnx.load_from_string(model)
    if has_inner_graphs(read):
        raise ExportError("the model runs in a loop or has branches, and convolutions in these cannot be quantised")
    plain = in_standard_operators(read)
    halves = {tensor.name for tensor in plain.graph.initializer if tensor.data_type == TensorProto.FLOAT16}
    if any(node.op_type == QUANTISED and halves.intersection(node.input) for node in plain.graph.node):
        raise ExportError("the model computes in fp16, and only fp32 can be quantised; export the detector in fp32")
    require_nncf()
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    logging.getLogger("nncf").setLevel(logging.ERROR)
    layers = dict.fromkeys(layer_of(node) for node in plain.graph.node if node.op_type == QUANTISED)
    quantised = nncf.quantize(
        plain,
        nncf.Dataset(images, lambda image: {plain.graph.input[0].name: image[None]}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(types=sorted({node.op_type for node in plain.graph.node} - {QUANTISED})),
        advanced_parameters=AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE, backend_params={"compress_weights": False}
        ),
    )
    return QuantisedModel(model, quantised, tuple(layers))


def require_nncf() -> None:
    """Raise ExportError if NNCF is missing."""
    if find_spec("nncf") is None:
        raise ExportError("NNCF, which quantises models, is not installed; install it with `pip install '.[int8]'`")


def layer_of(convolution: NodeProto) -> str:
    """The layer's name: that of its filters without `.weight`."""
    name: str = convolution.input[FILTERS]
    return name.removesuffix(".weight")


def in_standard_operators(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same model with its functions inlined and its constants in fp32, as NNCF needs it."""
    inlined = inliner.inline_local_functions(model)
    constants = {tensor.name: tensor for tensor in inlined.graph.initializer}
    nodes = []
    for node in inlined.graph.node:
        if node.op_type == "Cast" and node.input[0] in constants:
            kind = helper.tensor_dtype_to_np_dtype(node.attribute[0].i)
            values = numpy_helper.to_array(constants[node.input[0]]).astype(kind)
            constants[node.output[0]] = numpy_helper.from_array(values, node.output[0])
        else:
            nodes.append(node)
    replace_contents(inlined, nodes, constants)
    return inlined


def splice(model: onnx.ModelProto, quantised: onnx.ModelProto, float_layers: Collection[str] = ()) -> None:
    """Put the convolutions of `quantised`, whose tensors have the same names, into `model`, except `float_layers`.

    Its nodes may have other names: NNCF names those that have none.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    known = {*constants, *(name for node in model.graph.node for name in node.output), model.graph.input[0].name}
    producers = {name: node for node in quantised.graph.node for name in node.output}
    convolutions = {node.output[0]: node for node in quantised.graph.node if node.op_type == QUANTISED}
    new_constants = {tensor.name: tensor for tensor in quantised.graph.initializer}
    nodes: list[NodeProto] = []

    def add(name: str) -> None:
        """Add what computes a tensor of `quantised` that `model` lacks."""
        if name in known:
            return
        known.add(name)
        if name in new_constants:
            constants[name] = new_constants[name]
            return
        for read in producers[name].input:
            add(read)
        nodes.append(producers[name])

    for node in model.graph.node:
        if node.op_type != QUANTISED or layer_of(node) in float_layers:
            nodes.append(node)
            continue
        convolution = NodeProto()
        convolution.CopyFrom(convolutions[node.output[0]])
        for name in convolution.input[: FILTERS + 1]:
            add(name)
        for index, name in enumerate(convolution.input[FILTERS + 1 :], FILTERS + 1):  # NNCF corrects the bias
            constants[f"{name}.int8"] = renamed(new_constants[name], f"{name}.int8")
            convolution.input[index] = f"{name}.int8"
        nodes.append(convolution)
    replace_contents(model, used(nodes, {output.name for output in model.graph.output}), constants)


def renamed(tensor: TensorProto, name: str) -> TensorProto:
    copy = TensorProto()
    copy.CopyFrom(tensor)
    copy.name = name
    return copy


def replace_contents(model: onnx.ModelProto, nodes: list[NodeProto], constants: dict[str, TensorProto]) -> None:
    """Give a model these nodes and those of the constants that they read; the shapes between nodes are forgotten."""
    read = {name for node in nodes for name in node.input}
    copies = [node.SerializeToString() for node in nodes]  # the nodes may be the model's own
    tensors = [tensor.SerializeToString() for name, tensor in constants.items() if name in read]
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    for content in copies:
        model.graph.node.add().ParseFromString(content)
    for content in tensors:
        model.graph.initializer.add().ParseFromString(content)
