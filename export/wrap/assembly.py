"""The graph of a bundle around another project's detector: preparation, the detector, decoding and top-k."""

from pathlib import Path
from typing import Literal

import onnx
import torch
from onnx import TensorProto, helper, version_converter

from export.errors import ExportError
from export.to_onnx import traced
from export.wrap.batch_axis import KINDS, free_batch_axis, in_a_loop
from export.wrap.edges import rename, sort_nodes
from export.wrap.examination import Examined
from export.wrap.foreign_model import ForeignModel, Outputs, first_line
from export.wrap.layout import Layout
from export.wrap.preparation import preparation
from service.engines.tensor_contract import IMAGES, OUTPUTS

OLDEST_OPSET = 14  # in which the nodes around the detector can be written
IR_VERSION = 9

Batching = Literal["as it is", "freed", "in a loop"]
BATCHINGS: dict[Batching, str] = {
    "as it is": "the model takes any batch",
    "freed": "its batch of 1 was made dynamic",
    "in a loop": "its images run in a loop, one after another, because it takes one alone: batches save no time",
}


def batchings_of(model: ForeignModel, layout: Layout) -> list[Batching]:
    """The ways in which the model may take several images, the fastest first."""
    if layout.kind == "candidates":
        return ["as it is"]
    if layout.kind == "torchvision" or model.images.axes == "CHW":
        return ["in a loop"]
    return ["as it is" if model.images.batch is None else "freed", "in a loop"]


def decoding(layout: Layout, outputs: Outputs) -> onnx.ModelProto:
    """The layout's decoder in ONNX. `outputs` are the model's for one image; their first axis becomes dynamic."""
    has_batch_axis = layout.kind != "torchvision"
    repeats = 2 if has_batch_axis else 1
    examples = {
        f"input{number}": torch.from_numpy(outputs[name]).repeat(repeats, *[1] * (outputs[name].ndim - 1))
        for number, name in enumerate(layout.outputs)
    }
    if not has_batch_axis:  # the number of boxes is not fixed; an example of 0 or 1 would fix it
        examples = {name: value.new_zeros(7, *value.shape[1:]) for name, value in examples.items()}
    axis = 0, "batch" if has_batch_axis else "boxes"
    return traced(layout.decoder.eval(), examples, dict.fromkeys(examples, axis))


def assemble(examined: Examined, decoder: onnx.ModelProto | None, batching: Batching) -> onnx.ModelProto:
    """The graph of the bundle; raises ExportError if its parts cannot have the same version of the operators.

    Without a decoder, the model is a bundle's already.
    """
    model, spec, layout = examined.model, examined.manifest.input, examined.layout
    if decoder is None:
        return model.proto
    whole, opset = at_opset(model)
    decoder = converted(decoder, opset, model.path)
    graph = whole.graph
    sort_nodes(graph)
    inputs = [model.images.name, *(further.name for further in model.further)]
    if batching == "freed":
        free_batch_axis(whole, inputs)
    rename(graph, {name: f"model/{name}" for name in (IMAGES, *OUTPUTS)})
    own_names = {name: f"model/{name}" if name in (IMAGES, *OUTPUTS) else name for name in (*inputs, *layout.outputs)}
    nodes, constants = preparation(model, examined.normalisation, spec, own_names)
    inner = {name for node in decoder.graph.node for name in node.output} - set(OUTPUTS)
    inner |= {tensor.name for tensor in decoder.graph.initializer}
    rename(decoder.graph, {name: f"after/{name}" for name in inner})
    rename(decoder.graph, {f"input{number}": own_names[name] for number, name in enumerate(layout.outputs)})
    for number, node in enumerate(decoder.graph.node):
        node.name = f"after/{number}"
    nodes = [*nodes, *graph.node, *decoder.graph.node]
    copies = [node.SerializeToString() for node in nodes]  # clearing the graph frees its own
    for field in ("node", "input", "output", "value_info"):  # the shapes are those of one image
        graph.ClearField(field)
    for copy in copies:
        graph.node.add().ParseFromString(copy)
    graph.initializer.extend([*constants, *decoder.graph.initializer])
    graph.input.append(helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["batch", spec.height, spec.width, 3]))
    count = layout.decoder.max_candidates
    for name, kind, shape in zip(OUTPUTS, KINDS, ([count, 4], [count], [count]), strict=True):
        graph.output.append(helper.make_tensor_value_info(name, kind, ["batch", *shape]))
    whole.ir_version = max(whole.ir_version, IR_VERSION)
    return in_a_loop(whole, count) if batching == "in a loop" else whole


def at_opset(model: ForeignModel) -> tuple[onnx.ModelProto, int]:
    """A copy of the model in its own opset, or in OLDEST_OPSET if that is newer, and that opset."""
    opset = next((entry.version for entry in model.proto.opset_import if entry.domain in ("", "ai.onnx")), 1)
    if opset < OLDEST_OPSET:
        return converted(model.proto, OLDEST_OPSET, model.path), OLDEST_OPSET
    copy = onnx.ModelProto()
    copy.CopyFrom(model.proto)
    return copy, opset


def converted(model: onnx.ModelProto, opset: int, path: Path) -> onnx.ModelProto:
    """The model in another opset; raises ExportError."""
    try:
        return version_converter.convert_version(model, opset)
    except Exception as error:  # the converter, written in C++, has no exceptions of its own
        raise ExportError(
            f"{path}: its operators cannot be converted to opset {opset}: {first_line(error)}; export it again in an "
            f"opset from {OLDEST_OPSET} to 20"
        ) from error
