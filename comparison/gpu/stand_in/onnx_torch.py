"""Runs a bundle's ONNX graph with torch, node by node; no node waits for the device, so a CUDA graph can hold them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

torch.backends.cudnn.allow_tf32 = False  # torch's default rounds the convolutions of fp32 to ten bits

# z, geometry, bias and the number of boxes of a cell -> y, as in offset_conv.cu
OffsetConv = Callable[[Tensor, Tensor, Tensor, int], Tensor]

TYPES = {
    TensorProto.FLOAT: torch.float32,
    TensorProto.FLOAT16: torch.float16,
    TensorProto.UINT8: torch.uint8,
    TensorProto.INT32: torch.int32,
    TensorProto.INT64: torch.int64,
    TensorProto.BOOL: torch.bool,
}
UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Relu": F.relu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Exp": torch.exp,
}
BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Mod": torch.remainder,
    "Less": torch.lt,
    "Equal": torch.eq,
    "And": torch.logical_and,
}
Attributes = dict[str, Any]


class OnnxTorch:
    """The network of export.to_engine.network_of on `device`. It keeps no state between calls.

    Constants are on the device. The values of shapes are known on the host too, because reading them from the device
    would wait for it.
    """

    def __init__(self, model: onnx.ModelProto, device: str) -> None:
        graph = model.graph
        self.outputs = [output.name for output in graph.output]
        self._shapes = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in graph.initializer}
        self._nodes: list[tuple[str, list[str], list[str], Attributes]] = []
        casts = []
        for node in graph.node:
            attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            if node.op_type == "Constant":
                self._shapes[node.output[0]] = numpy_helper.to_array(attributes["value"]).copy()
            elif node.op_type == "Cast" and node.input[0] in self._shapes:  # filters that are stored in fp16
                casts.append((node.output[0], node.input[0], TYPES[attributes["to"]]))
            else:
                self._nodes.append((node.op_type, list(node.input), list(node.output), attributes))
        self._constants = {name: torch.from_numpy(value.copy()).to(device) for name, value in self._shapes.items()}
        for name, source, dtype in casts:
            self._constants[name] = self._constants[source].to(dtype)
        last = {name: number for number, node in enumerate(self._nodes) for name in node[1]}
        self._unused_after: list[list[str]] = [[] for _ in self._nodes]
        for name, number in last.items():
            if name not in self._constants and name not in self.outputs:
                self._unused_after[number].append(name)

    def __call__(self, images: Tensor, offset_conv: OffsetConv) -> tuple[Tensor, ...]:
        """images uint8 (B, H, W, 3) -> boxes, scores, labels; `offset_conv` computes the plugin's nodes."""
        values: dict[str, Tensor] = {"images": images}
        shapes = dict(self._shapes)
        for number, (operator, inputs, outputs, attributes) in enumerate(self._nodes):
            shape = shape_of(operator, inputs, attributes, values, shapes, self._constants)
            if shape is not None:
                shapes[outputs[0]] = shape
                continue
            tensors = [values.get(name, self._constants.get(name)) for name in inputs]
            hosts = [shapes.get(name) for name in inputs]
            if operator == "OffsetConv":
                projected, geometry, bias = (tensor for tensor in tensors if tensor is not None)
                found: Any = offset_conv(projected, geometry, bias, attributes["boxes"])
            else:
                found = compute(operator, tensors, hosts, attributes, len(outputs))
            values.update(zip(outputs, found if isinstance(found, tuple) else (found,), strict=True))
            for name in self._unused_after[number]:
                values.pop(name, None)
        return tuple(values[name] for name in self.outputs)


def shape_of(
    operator: str,
    inputs: list[str],
    attributes: Attributes,
    values: dict[str, Tensor],
    shapes: dict[str, Any],
    constants: dict[str, Tensor],
) -> Any:
    """The output of a node that computes with shapes alone, on the host; None for all other nodes."""
    if operator == "Shape":
        tensor = values[inputs[0]] if inputs[0] in values else constants[inputs[0]]
        return np.array(tensor.shape[attributes.get("start", 0) : attributes.get("end")], np.int64)
    if operator == "Concat" and all(name in shapes for name in inputs):
        return np.concatenate([np.atleast_1d(shapes[name]) for name in inputs])
    if operator in ("Squeeze", "Unsqueeze", "Cast") and inputs[0] in shapes and inputs[0] not in constants:
        return shapes[inputs[0]]  # `integers` takes one number with and without an axis
    return None


def integers(host: Any) -> list[int]:
    """A shape, or one number, that is known on the host."""
    return [int(value) for value in np.atleast_1d(host)]


def compute(operator: str, tensors: Sequence[Any], hosts: Sequence[Any], attributes: Attributes, outputs: int) -> Any:
    """One node: its inputs on the device and, as far as they are known there, on the host -> its output or outputs."""
    x = tensors[0]
    if operator in UNARY:
        return UNARY[operator](x)
    if operator in BINARY:
        return BINARY[operator](x, tensors[1])
    match operator:
        case "Conv":
            return convolution(x, tensors[1], tensors[2] if len(tensors) > 2 else None, attributes)
        case "Cast":
            return x.to(TYPES[attributes["to"]])
        case "Div":
            return x / tensors[1] if x.is_floating_point() else torch.div(x, tensors[1], rounding_mode="trunc")
        case "Softmax":
            return torch.softmax(x, attributes.get("axis", -1))
        case "Clip":
            low, high = ([None if h is None else float(np.atleast_1d(h)[0]) for h in hosts[1:]] + [None, None])[:2]
            return x.clamp(low, high)
        case "Where":
            return torch.where(x, tensors[1], tensors[2])
        case "Concat":
            return torch.cat(list(tensors), attributes["axis"])
        case "ReduceMax":
            return x.amax(integers(hosts[1]), keepdim=bool(attributes.get("keepdims", 1)))
        case "ArgMax":
            return x.argmax(attributes["axis"], keepdim=bool(attributes.get("keepdims", 1)))
        case "TopK":
            return tuple(torch.topk(x, integers(hosts[1])[0], attributes.get("axis", -1)))
        case "GatherElements":
            return torch.gather(x, attributes.get("axis", 0), tensors[1])
        case "MaxPool":
            pads, is_ceil = attributes["pads"][:2], bool(attributes.get("ceil_mode", 0))
            return F.max_pool2d(x, attributes["kernel_shape"], attributes["strides"], pads, ceil_mode=is_ceil)
        case "Resize":
            return F.interpolate(x, size=integers(hosts[3])[2:], mode="nearest")
    return rearrange(operator, x, hosts, attributes, outputs)


def rearrange(operator: str, x: Tensor, hosts: Sequence[Any], attributes: Attributes, outputs: int) -> Any:
    """The nodes that move values and compute none; raises NotImplementedError for any other."""
    match operator:
        case "Transpose":
            return x.permute(attributes["perm"])
        case "Reshape":
            sizes = enumerate(integers(hosts[1]))
            return x.reshape([x.shape[i] if size == 0 else size for i, size in sizes])
        case "Unsqueeze":
            for axis in sorted(integers(hosts[1])):
                x = x.unsqueeze(axis)
            return x
        case "Squeeze":
            for axis in sorted(integers(hosts[1]), reverse=True):
                x = x.squeeze(axis)
            return x
        case "Expand":
            return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(integers(hosts[1]))))
        case "Split":
            axis = attributes.get("axis", 0)
            return torch.split(x, integers(hosts[1]), axis) if len(hosts) > 1 else torch.chunk(x, outputs, axis)
        case "Slice":
            return sliced(x, *(integers(host) for host in hosts[1:]))
    raise NotImplementedError(f"comparison/gpu/stand_in/onnx_torch.py has no operator {operator}; add it there")


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, attributes: Attributes) -> Tensor:
    top, left, bottom, right = attributes.get("pads", [0, 0, 0, 0])
    if (top, left) != (bottom, right):
        x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
    strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
    return F.conv2d(x, weight, bias, strides, [top, left], dilations, attributes.get("group", 1))


def sliced(
    x: Tensor, starts: list[int], ends: list[int], axes: list[int] | None = None, steps: list[int] | None = None
) -> Tensor:
    axes, steps = axes or list(range(len(starts))), steps or [1] * len(starts)
    if starts == [-1] and steps == [-1]:  # a whole axis, backwards
        return x.flip(axes)
    index = [slice(None)] * x.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[axis] = slice(start, min(end, x.shape[axis]), step)
    return x[tuple(index)]
