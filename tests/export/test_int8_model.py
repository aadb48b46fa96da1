"""The file model.int8.onnx: the model with convolutions that read their inputs through QDQ operators."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from export.build import Built
from export.errors import ExportError
from export.int8_model import QuantisedModel, in_standard_operators, layer_of, quantise
from service.bundle import INT8_MODEL, MODEL, Bundle, Int8Form
from service.engines.open import open_engine
from tests.export.checkpoints import SIZE
from tests.export.nncf import needs_nncf

FORM = Int8Form(data_set="noise", num_images=1, max_loss=0, loss=0)
RANGE = 16.0  # of all activations, to both sides


def noise(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def quantised_by_hand(model: bytes) -> QuantisedModel:
    """What NNCF would make of a model, with one range for all activations."""
    plain = in_standard_operators(onnx.load_from_string(model))
    constants = {tensor.name: tensor for tensor in plain.graph.initializer}
    nodes, added = [], {"step": np.array(RANGE / 127, np.float32), "zero": np.array(0, np.int8)}
    for number, node in enumerate(list(plain.graph.node)):
        if node.op_type == "Conv":
            steps = np.abs(numpy_helper.to_array(constants[node.input[1]])).max(axis=(1, 2, 3)) / 127
            added |= {f"steps{number}": steps, f"zeros{number}": np.zeros(len(steps), np.int8)}
            for index, parameters in enumerate((["step", "zero"], [f"steps{number}", f"zeros{number}"])):
                integers, floats = f"integers{number}.{index}", f"floats{number}.{index}"
                nodes.append(helper.make_node("QuantizeLinear", [node.input[index], *parameters], [integers], axis=0))
                nodes.append(helper.make_node("DequantizeLinear", [integers, *parameters], [floats], axis=0))
                node.input[index] = floats
        nodes.append(node)
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del plain.graph.node[:]
    plain.graph.node.extend(copies)
    plain.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in added.items())
    layers = dict.fromkeys(layer_of(node) for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv")
    return QuantisedModel(model, plain, tuple(layers))


@pytest.fixture(scope="session")
def quantised(built: Built) -> QuantisedModel:
    return quantised_by_hand(built.bundle.model_path.read_bytes())


def with_form(bundle: Bundle, folder: Path, form: bytes) -> Bundle:
    """An unchecked copy of a bundle's model with that form, in `folder`."""
    copy = Bundle(folder, bundle.manifest.model_copy(update={"int8": FORM}))
    copy.model_path.write_bytes(bundle.model_path.read_bytes())
    (folder / INT8_MODEL).write_bytes(form)
    return copy


def candidates(model: str | bytes) -> list[NDArray[np.float32]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found: list[NDArray[np.float32]] = session.run(None, {"images": noise(3)})
    return found


def num_int8(form: bytes) -> int:
    """The number of convolutions whose inputs are quantised."""
    graph = onnx.load_from_string(form).graph
    producers = {name: node.op_type for node in graph.node for name in node.output}
    kinds = [[producers.get(name) for name in node.input[:2]] for node in graph.node if node.op_type == "Conv"]
    return sum(kind == ["DequantizeLinear"] * 2 for kind in kinds)


def test_the_form_computes_what_the_quantised_model_computes(
    built: Built, quantised: QuantisedModel, tmp_path: Path
) -> None:
    bundle = with_form(built.bundle, tmp_path, quantised.form())
    found, expected = candidates(str(bundle.int8_model_path)), candidates(quantised.quantised.SerializeToString())
    for own, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, wanted, atol=1e-3)
    assert np.abs(found[1] - candidates(str(bundle.model_path))[1]).max() > 1e-3


def test_layers_that_are_given_back_compute_what_the_model_computes(
    built: Built, quantised: QuantisedModel, tmp_path: Path
) -> None:
    bundle = with_form(built.bundle, tmp_path, quantised.form(quantised.layers))
    for own, wanted in zip(candidates(str(bundle.int8_model_path)), candidates(str(bundle.model_path)), strict=True):
        np.testing.assert_array_equal(own, wanted)


def test_convolutions_that_share_filters_are_given_back_together(quantised: QuantisedModel) -> None:
    convolutions = [node for node in onnx.load_from_string(quantised.model).graph.node if node.op_type == "Conv"]
    shared = [node for node in convolutions if layer_of(node) == "model.proposals"]
    assert len(shared) > 1
    assert num_int8(quantised.form()) == len(convolutions)
    assert num_int8(quantised.form(["model.proposals"])) == len(convolutions) - len(shared)


def test_nodes_without_names_are_quantised(quantised: QuantisedModel) -> None:
    model = onnx.load_from_string(quantised.model)
    for node in model.graph.node:
        node.ClearField("name")
    nameless = QuantisedModel(model.SerializeToString(), quantised.quantised, quantised.layers)
    assert num_int8(nameless.form()) == num_int8(quantised.form())


def test_the_filters_are_stored_once(built: Built, quantised: QuantisedModel) -> None:
    form = quantised.form()
    assert len(form) < built.bundle.model_path.stat().st_size / 20
    tensors = onnx.load_from_string(form).graph.initializer
    places = [entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"]
    assert set(places) == {MODEL}


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]")
def test_openvino_runs_a_form_with_offset_convolutions(built: Built, quantised: QuantisedModel, tmp_path: Path) -> None:
    bundle = with_form(built.bundle, tmp_path, quantised.form(quantised.layers[:2]))
    engine = open_engine(bundle, "openvino", precision="int8", num_threads=1)
    found = engine(noise(5))
    engine.close()
    assert found.boxes.shape == (5, bundle.manifest.max_candidates, 4)
    assert np.isfinite(found.boxes).all()
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert found.scores.max() > 0.05


@needs_nncf
def test_nncf_quantises_all_convolutions_for_small_weights(built: Built) -> None:
    model = built.bundle.model_path.read_bytes()
    made = quantise(model, list(noise(2)))
    convolutions = [node for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv"]
    assert set(made.layers) == {layer_of(node) for node in convolutions}
    assert num_int8(made.form()) == len(convolutions)


def test_without_nncf_the_error_names_the_extra_that_has_it(built: Built) -> None:
    if find_spec("nncf"):
        pytest.skip("NNCF is installed")
    with pytest.raises(ExportError, match=r"NNCF.*not installed; install it with `pip install '\.\[int8\]'`"):
        quantise(built.bundle.model_path.read_bytes(), list(noise(2)))
