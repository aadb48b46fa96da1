"""Frozen TensorFlow graphs are read without TensorFlow; damaged ones are refused."""

import numpy as np
import pytest

from models.backbones import frozen_graph
from models.backbones.frozen_graph import read_constants
from tests.models.backbones.frozen_graphs import graph, message, node, number, tensor


def test_constants_are_read_by_their_names() -> None:
    arrays: dict[str, np.ndarray] = {
        "Net/weights": np.random.default_rng(0).normal(size=(3, 3, 4, 5)).astype(np.float32),
        "Net/BatchNorm/gamma": np.arange(300, dtype=np.float32),
        "Net/batchnorm/add/y": np.array(0.001, np.float32),
    }
    read = read_constants(graph(arrays))
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array, strict=True)


def test_constants_of_other_types_are_skipped() -> None:
    shape = number(1, 3) + message(2, b"") + message(4, b"\x01\0\0\0")  # an int32
    assert read_constants(message(1, node("Reshape/shape", "Const", shape))) == {}


def test_what_is_not_a_graph_is_refused() -> None:
    whole = graph({"x": np.zeros(100)})
    for data in (b"not a graph", whole[:-3], whole[:300]):
        with pytest.raises(ValueError, match="not a GraphDef message"):
            read_constants(data)


@pytest.mark.parametrize(
    ("value", "message_text"),
    [
        (tensor(np.zeros(6))[:-4], "not a GraphDef"),  # cut inside the values
        (number(1, 1) + message(2, message(2, number(1, 6))) + message(4, bytes(20)), r"20 bytes for the shape \(6,\)"),
        (number(1, 1) + message(2, message(2, number(1, 2**64 - 1))) + message(4, bytes(4)), r"shape \(-1,\)"),
        (number(1, 1) + message(2, message(2, number(1, 6))), r"0 bytes for the shape \(6,\)"),
        (number(1, 1) + message(2, message(2, number(1, 2**40)) * 2) + message(4, bytes(4)), "4 bytes for the shape"),
    ],
)
def test_a_constant_without_all_its_values_is_refused(value: bytes, message_text: str) -> None:
    with pytest.raises(ValueError, match=message_text):
        read_constants(message(1, node("x", "Const", value)))


def test_two_constants_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="x occurs twice"):
        read_constants(graph({"x": np.zeros(1)}) * 2)


def test_a_graph_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen_graph, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="11 bytes; a frozen graph may have 10"):
        read_constants(bytes(11))
