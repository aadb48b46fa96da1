"""Ways to make a detector take any number of images.

A detector may take it already. If it was exported for one image, its graph may still be right for more, once the shapes
that say 1 are rewritten; nobody can tell but by trying. Else the graph runs in a loop, one image after another.
"""

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from service.engines.tensor_contract import IMAGES, OUTPUTS

KINDS = (TensorProto.FLOAT, TensorProto.FLOAT, TensorProto.INT32)  # of OUTPUTS


def free_batch_axis(model: onnx.ModelProto, inputs: Iterable[str]) -> None:
    """Rewrite, in place, each constant shape [1, …] to which a Reshape brings a tensor that depends on `inputs`.

    Its first length becomes that of the tensor, or if no other length is -1, whatever is left.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    constants |= {
        node.output[0]: node.attribute[0].t
        for node in model.graph.node
        if node.op_type == "Constant" and node.attribute[0].name == "value"
    }
    depending = set(inputs)
    added: dict[str, TensorProto] = {}
    for node in model.graph.node:
        if depending.intersection(node.input):
            depending.update(node.output)
        if node.op_type != "Reshape" or node.input[0] not in depending or node.input[1] not in constants:
            continue
        shape = numpy_helper.to_array(constants[node.input[1]])
        if shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            first = 0 if -1 in shape else -1
            name = f"{node.input[1]}.batch"
            added[name] = numpy_helper.from_array(np.array([first, *shape[1:]], np.int64), name)
            node.input[1] = name
    model.graph.initializer.extend(added.values())


def in_a_loop(model: onnx.ModelProto, num_candidates: int) -> onnx.ModelProto:
    """A graph that runs `model`, which maps images to boxes, scores and labels, on one image after another.

    The constants stay outside the loop, so that they are stored once. So does the Cast of the images, with which most
    models begin: TensorRT cannot take an image from a batch in uint8.
    """
    graph = model.graph
    is_cast = all(node.op_type in ("Cast", "Shape") for node in graph.node if IMAGES in node.input)
    images = "loop/floats" if is_cast else IMAGES
    shapes = [num_candidates, 4], [num_candidates], [num_candidates]
    names = [f"loop/{name}" for name in OUTPUTS]
    inner = [
        helper.make_node("Unsqueeze", ["loop/number", "loop/zero"], ["loop/place"], name="loop/place"),
        helper.make_node("Gather", [images, "loop/place"], ["loop/image"], axis=0, name="loop/image"),
        *(_of_one_image(node) for node in graph.node),
        *(
            helper.make_node("Reshape", [name, f"loop/shape of {name}"], [f"loop/{name}"], name=f"loop/{name}")
            for name in OUTPUTS
        ),
        helper.make_node("Identity", ["loop/continues"], ["loop/continues on"], name="loop/continues on"),
    ]
    body = helper.make_graph(
        inner,
        "one image",
        [
            helper.make_tensor_value_info("loop/number", TensorProto.INT64, []),
            helper.make_tensor_value_info("loop/continues", TensorProto.BOOL, []),
        ],
        [
            helper.make_tensor_value_info("loop/continues on", TensorProto.BOOL, []),
            *(helper.make_tensor_value_info(*output) for output in zip(names, KINDS, shapes, strict=True)),
        ],
    )
    looped = onnx.ModelProto()
    looped.CopyFrom(model)
    looped.graph.ClearField("node")
    looped.graph.node.extend(
        [
            *([helper.make_node("Cast", [IMAGES], [images], to=TensorProto.FLOAT, name=images)] if is_cast else []),
            helper.make_node("Shape", [IMAGES], ["loop/lengths"], name="loop/lengths"),
            helper.make_node("Gather", ["loop/lengths", "loop/first"], ["loop/count"], axis=0, name="loop/count"),
            helper.make_node("Loop", ["loop/count", "loop/true"], list(OUTPUTS), body=body, name="loop"),
        ]
    )
    looped.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array([0], np.int64), "loop/zero"),
            numpy_helper.from_array(np.array(0, np.int64), "loop/first"),
            numpy_helper.from_array(np.array(True), "loop/true"),
            *(
                numpy_helper.from_array(np.array(shape, np.int64), f"loop/shape of {name}")
                for name, shape in zip(OUTPUTS, shapes, strict=True)
            ),
        ]
    )
    return looped


def _of_one_image(node: NodeProto) -> NodeProto:
    """The node inside the loop, which reads one image instead of the images."""
    copy = NodeProto()
    copy.CopyFrom(node)
    for index, name in enumerate(node.input):
        if name == IMAGES:
            copy.input[index] = "loop/image"
    return copy
