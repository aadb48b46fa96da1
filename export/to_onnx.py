"""Converts a torch detector to an ONNX model."""

import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.graph import ExportGraph
from export.offset_conv_function import DOMAIN, NAME, VERSION, offset_conv_function
from service.bundle import InputSpec

OPSET = 20
OUTPUT_NAMES = ("boxes", "scores", "labels")
SMALLEST_STORED_AS_FP16 = 256  # elements; below that a Cast node costs more than it saves


def to_onnx(graph: ExportGraph, spec: InputSpec) -> onnx.ModelProto:
    """Export `graph` with a dynamic batch axis, and store its rounded filters as fp16.

    If the graph has offset convolutions, the model contains the function that defines them.
    """
    example = torch.zeros(2, spec.height, spec.width, 3, dtype=torch.uint8)
    model = traced(graph, {"images": example}, {"images": (0, "batch")})
    store_as_fp16(model)
    attach_function(model)
    model.producer_name = "singleshot"
    onnx.checker.check_model(model, full_check=True)
    return model


def traced(module: nn.Module, examples: dict[str, Tensor], dynamic_axes: dict[str, tuple[int, str]]) -> onnx.ModelProto:
    """The ONNX model of a module that maps `examples` to boxes, scores and labels.

    `dynamic_axes` gives for some of the inputs the axis whose length is not fixed, and the name of that length.
    """
    lengths = {name: torch.export.Dim(name, min=1, max=1024) for _, name in dynamic_axes.values()}
    dynamic_shapes = tuple(
        {dynamic_axes[name][0]: lengths[dynamic_axes[name][1]]} if name in dynamic_axes else None for name in examples
    )
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        # traced separately: torch.onnx.export would fix the batch size instead of failing
        program = torch.onnx.export(
            torch.export.export(module, tuple(examples.values()), dynamic_shapes=dynamic_shapes, strict=False),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=list(OUTPUT_NAMES),
            verbose=False,
        )
    assert program is not None
    model: onnx.ModelProto = program.model_proto
    for node in model.graph.node:
        node.ClearField("metadata_props")  # the tracer's notes: file names and line numbers of this machine
        node.doc_string = ""
    return model


def attach_function(model: onnx.ModelProto) -> None:
    """Add the definition of the offset convolution to a model that uses it; the exporter would inline the function."""
    if any((node.domain, node.op_type) == (DOMAIN, NAME) for node in model.graph.node):
        model.functions.append(offset_conv_function())
        if DOMAIN not in {opset.domain for opset in model.opset_import}:
            model.opset_import.append(onnx.helper.make_opsetid(DOMAIN, VERSION))


def store_as_fp16(model: onnx.ModelProto) -> None:
    """Store float initializers as fp16 if fp16 holds them exactly; a Cast, folded at load time, restores each."""
    kept, casts = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        is_exact = values.dtype == np.float32 and values.size >= SMALLEST_STORED_AS_FP16
        with np.errstate(over="ignore"):
            is_exact = is_exact and bool((values.astype(np.float16).astype(np.float32) == values).all())
        if not is_exact:
            kept.append(tensor)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.fp16"))
        casts.append(onnx.helper.make_node("Cast", [f"{tensor.name}.fp16"], [tensor.name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(casts + nodes)
