"""Tensors get other names everywhere, and nodes come behind what they read."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from export.wrap.batch_axis import in_a_loop
from export.wrap.edges import names_read, rename, sort_nodes
from tests.tiny_bundle import NUM_CANDIDATES, tiny_model


def test_nodes_are_put_behind_what_they_read() -> None:
    model = tiny_model()
    expected = {node.output[0] for node in model.graph.node}
    nodes = [node.SerializeToString() for node in reversed(model.graph.node)]
    del model.graph.node[:]
    for content in nodes:
        model.graph.node.add().ParseFromString(content)
    sort_nodes(model.graph)
    onnx.checker.check_model(model)  # it refuses nodes in another order
    assert {node.output[0] for node in model.graph.node} == expected


def test_a_loop_reads_what_its_graph_reads() -> None:
    looped = in_a_loop(tiny_model(), NUM_CANDIDATES)
    assert {"loop/floats", "block_boxes"} < set(names_read(looped.graph.node[-1]))


def test_a_tensor_is_renamed_inside_branches_too() -> None:
    constant = numpy_helper.from_array(np.ones(1, np.float32), "two")
    float_info = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])
    branch = helper.make_graph([helper.make_node("Identity", ["two"], ["out"])], "branch", [], [float_info])
    node = helper.make_node("If", ["condition"], ["result"], then_branch=branch, else_branch=branch)
    graph = helper.make_graph([node], "graph", [], [], [constant])
    rename(graph, {"two": "zwei", "out": "aus"})
    assert graph.initializer[0].name == "zwei"
    assert [attribute.g.node[0].input[0] for attribute in graph.node[0].attribute] == ["zwei", "zwei"]
    assert graph.node[0].attribute[0].g.output[0].name == "aus"
