"""Names of tensors in an ONNX graph."""

from collections.abc import Mapping

from onnx import GraphProto


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors of a graph, and of the graphs inside its nodes, other names, in place."""
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for index, name in enumerate(node.output):
            node.output[index] = names.get(name, name)
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                rename(inner, names)
