"""The edges of an ONNX graph: the names of its tensors, and the order of its nodes."""

from collections.abc import Iterator, Mapping
from graphlib import TopologicalSorter

from onnx import GraphProto, NodeProto


def rename(graph: GraphProto, names: Mapping[str, str]) -> None:
    """Give tensors of a graph, and of the graphs inside its nodes, other names, in place."""
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for index, name in enumerate(node.output):
            node.output[index] = names.get(name, name)
        for inner in inner_graphs(node):
            rename(inner, names)


def sort_nodes(graph: GraphProto) -> None:
    """Put each node of a graph behind those that it reads, in place. Some exporters do not."""
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needed = {
        index: {producers[name] for name in names_read(node) if name in producers}
        for index, node in enumerate(graph.node)
    }
    contents = [graph.node[index].SerializeToString() for index in TopologicalSorter(needed).static_order()]
    graph.ClearField("node")
    for content in contents:
        graph.node.add().ParseFromString(content)


def names_read(node: NodeProto) -> Iterator[str]:
    """The tensors that a node reads, also inside its graphs."""
    yield from node.input
    for graph in inner_graphs(node):
        for inner in graph.node:
            yield from names_read(inner)


def inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    """The graphs of a loop or of branches."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs
