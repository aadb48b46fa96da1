"""Converts a torch detector to an ONNX model."""

import logging
import warnings

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from export.graph import ExportGraph
from export.offset_conv_function import DOMAIN, NAME, VERSION, offset_conv_function
from service.bundle import InputSpec

OPSET = 20
SMALLEST_STORED_AS_FP16 = 256  # elements; below that a Cast node costs more than it saves


def to_onnx(graph: ExportGraph, spec: InputSpec) -> onnx.ModelProto:
    """Export `graph` with a dynamic batch axis, and store its rounded filters as fp16.

    If the graph has offset convolutions, the model contains the function that defines them.
    """
    example = torch.zeros(2, spec.height, spec.width, 3, dtype=torch.uint8)
    batch = {"images": {0: torch.export.Dim("batch", min=1, max=1024)}}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        # traced separately: torch.onnx.export would fix the batch size instead of failing
        traced = torch.export.export(graph, (example,), dynamic_shapes=batch, strict=False)
        program = torch.onnx.export(
            traced,
            dynamo=True,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["boxes", "scores", "labels"],
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    store_as_fp16(model)
    attach_function(model)
    for node in model.graph.node:
        node.ClearField("metadata_props")  # the tracer's notes: file names and line numbers of this machine
        node.doc_string = ""
    model.producer_name = "singleshot"
    onnx.checker.check_model(model, full_check=True)
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
