"""Writes frozen TensorFlow graphs byte by byte, as protobuf's encoding and TensorFlow's .proto files define them."""

import struct
from collections.abc import Mapping
from itertools import pairwise

import numpy as np


def graph(constants: Mapping[str, np.ndarray]) -> bytes:
    """A GraphDef with a placeholder, the constants, and a node that reads each of them."""
    nodes = [node("input", "Placeholder")]
    for name, array in constants.items():
        nodes += [node(name, "Const", tensor(array)), node(f"{name}/read", "Identity", inputs=(name,))]
    return b"".join(message(1, own) for own in nodes)  # GraphDef.node


def node(name: str, op: str, value: bytes | None = None, inputs: tuple[str, ...] = ()) -> bytes:
    """A NodeDef; `value` is a TensorProto."""
    encoded = message(1, name.encode()) + message(2, op.encode())
    encoded += b"".join(message(3, source.encode()) for source in inputs)
    encoded += message(5, message(1, b"dtype") + message(2, number(6, 1)))  # AttrValue.type
    if value is not None:
        encoded += message(5, message(1, b"value") + message(2, message(8, value)))  # AttrValue.tensor
    return encoded


def tensor(array: np.ndarray) -> bytes:
    """A TensorProto of float32; a single number is in the list of floats, as TensorFlow writes it."""
    dims = b"".join(message(2, number(1, size)) for size in array.shape)
    values = array.astype("<f4").tobytes()
    return number(1, 1) + message(2, dims) + (message(5, values) if array.ndim == 0 else message(4, values))


def message(field: int, content: bytes) -> bytes:
    """A field with bytes of any length."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def number(field: int, value: int) -> bytes:
    """A field with an integer."""
    return varint(field << 3) + varint(value)


def varint(value: int) -> bytes:
    """Seven bits in each byte, the lowest first; the highest bit says that another byte follows."""
    encoded = b""
    while value > 127:
        encoded += struct.pack("B", value & 127 | 128)
        value >>= 7
    return encoded + struct.pack("B", value)


def mobilenet(seed: int = 0) -> dict[str, np.ndarray]:
    """Random constants with the names and shapes of TF-Slim's MobileNet v1 1.0, and those of a head."""
    random = np.random.default_rng(seed)
    channels = (32, 64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)  # of Howard et al. 2017, Table 1
    layers = [("Conv2d_0", "weights", (3, 3, 3, 32))]
    for i, (before, after) in enumerate(pairwise(channels), 1):
        layers.append((f"Conv2d_{i}_depthwise", "depthwise_weights", (3, 3, before, 1)))
        layers.append((f"Conv2d_{i}_pointwise", "weights", (1, 1, before, after)))
    constants = {"MobilenetV1/Logits/Conv2d_1c_1x1/biases": np.zeros(1001, np.float32)}
    for name, kernel, shape in layers:
        size = shape[2] if kernel == "depthwise_weights" else shape[3]
        constants[f"MobilenetV1/{name}/{kernel}"] = random.standard_normal(shape, np.float32)
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            constants[f"MobilenetV1/{name}/BatchNorm/{part}"] = random.random(size, np.float32)
    return constants
