"""The constants of a frozen TensorFlow graph, read without TensorFlow.

A frozen graph is a GraphDef message in which each variable is a node "Const" with its value. The schema below has those
fields of GraphDef that constants need; the reader of protobuf skips the others.
"""

import math
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError

MAX_BYTES = 256 * 2**20
DT_FLOAT = 1  # tensorflow/core/framework/types.proto

SCHEMA = """
name: "frozen_graph.proto" package: "frozen_graph" syntax: "proto3"
message_type {
  name: "Graph"
  field { name: "node" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "Node" }
}
message_type {
  name: "Node"
  field { name: "name" number: 1 type: TYPE_STRING }
  field { name: "op" number: 2 type: TYPE_STRING }
  field { name: "attr" number: 5 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "Attribute" }
}
message_type {
  name: "Attribute"
  field { name: "key" number: 1 type: TYPE_STRING }
  field { name: "value" number: 2 type: TYPE_MESSAGE type_name: "Value" }
}
message_type {
  name: "Value"
  field { name: "tensor" number: 8 type: TYPE_MESSAGE type_name: "Tensor" }
}
message_type {
  name: "Tensor"
  field { name: "dtype" number: 1 type: TYPE_INT32 }
  field { name: "shape" number: 2 type: TYPE_MESSAGE type_name: "Shape" }
  field { name: "content" number: 4 type: TYPE_BYTES }
  field { name: "floats" number: 5 label: LABEL_REPEATED type: TYPE_FLOAT options { packed: true } }
}
message_type {
  name: "Shape"
  field { name: "dim" number: 2 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "Dim" }
}
message_type {
  name: "Dim"
  field { name: "size" number: 1 type: TYPE_INT64 }
}
"""


def graph_class() -> Any:
    """The class of a GraphDef message."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(SCHEMA, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("frozen_graph.Graph"))


def read_constants(data: bytes) -> dict[str, np.ndarray]:
    """The float32 constants of a frozen graph by their names; other nodes are skipped.

    Raises ValueError if `data` is no graph, or if a constant has no complete value.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes; a frozen graph may have {MAX_BYTES}")
    try:
        graph = graph_class().FromString(data)
    except DecodeError as error:
        raise ValueError("not a GraphDef message") from error
    constants: dict[str, np.ndarray] = {}
    for node in graph.node:
        tensor = next((attribute.value.tensor for attribute in node.attr if attribute.key == "value"), None)
        if node.op != "Const" or tensor is None or tensor.dtype != DT_FLOAT:
            continue
        if node.name in constants:
            raise ValueError(f"{node.name} occurs twice")
        constants[node.name] = read_tensor(tensor, node.name)
    return constants


def read_tensor(tensor: Any, name: str) -> np.ndarray:
    """The float32 array of a tensor message, from its bytes or its list of floats."""
    shape = tuple(dim.size for dim in tensor.shape.dim)
    content = tensor.content or np.array(tensor.floats, "<f4").tobytes()
    if any(size < 0 for size in shape) or len(content) != 4 * math.prod(shape):
        raise ValueError(f"{name} has {len(content)} bytes for the shape {shape}")
    return np.frombuffer(content, "<f4").reshape(shape)
