"""The fp16 form of a graph: which parts are fp16, and what it costs on a trained model."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

import service
from export.build import Built, ExportError
from export.half_precision import to_half
from export.parity import ROUNDED_CUT_OFF_MARGIN, difference
from service.bundle import GOLDEN, MODEL, Bundle, read_bundle, write_bundle
from service.detection.preprocess import decode_image
from service.engines.open import open_engine

DEFAULT_BUNDLE = Path(service.__file__).parent / "bundles" / "bccd-passd-320"
IN_FULL = ("Div", "Exp", "Mul", "Sigmoid", "Softmax", "Tanh", "TopK")


def types(model: onnx.ModelProto) -> dict[str, int]:
    """The element type of each tensor."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    return {value.name: value.type.tensor_type.elem_type for value in values} | {
        tensor.name: tensor.data_type for tensor in graph.initializer
    }


def assert_islands(model: onnx.ModelProto) -> None:
    """Convolutions are fp16, and whatever makes boxes and scores is fp32."""
    kinds = types(model)
    for node in model.graph.node:
        if node.op_type == "Conv":
            assert {kinds[name] for name in node.input if name} == {TensorProto.FLOAT16}
        elif node.op_type == "OffsetConv":
            assert [kinds[name] for name in node.input] == [TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.FLOAT16]
        elif node.op_type in IN_FULL:
            assert TensorProto.FLOAT16 not in {kinds[name] for name in node.input}, node.op_type
    assert [kinds[output.name] for output in model.graph.output] == [
        TensorProto.FLOAT,
        TensorProto.FLOAT,
        TensorProto.INT32,
    ]


def test_passd_s_convolutions_are_half_and_its_boxes_and_scores_are_not(built: Built) -> None:
    model = to_half(onnx.load(built.bundle.model_path))
    assert_islands(model)
    assert sum(node.op_type == "OffsetConv" for node in model.graph.node) == 4
    assert [kind.type.tensor_type.elem_type for kind in model.graph.input] == [TensorProto.UINT8]


def test_the_model_that_is_given_is_left_as_it_is(built: Built) -> None:
    model = onnx.load(built.bundle.model_path)
    before = model.SerializeToString(deterministic=True)
    to_half(model)
    assert model.SerializeToString(deterministic=True) == before


def test_a_weight_too_large_for_half_precision_is_refused(built: Built) -> None:
    model = onnx.load(built.bundle.model_path)
    name = next(node.input[2] for node in model.graph.node if node.op_type == "Conv")
    bias = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    values = numpy_helper.to_array(bias).copy()
    values[0] = 1e6
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    with pytest.raises(ExportError, match=rf"{name}: a value of 1e\+06 does not fit fp16"):
        to_half(model)


def test_a_trained_model_s_candidates_hardly_move(tmp_path: Path) -> None:
    """The most that was seen on pictures that the model was not trained on is 0.042 px and 0.0013 in score."""
    bundle = read_bundle(DEFAULT_BUNDLE)
    golden = bundle.golden_path.read_bytes()
    half = half_bundle(bundle, tmp_path / "half")
    pixels = decode_image(golden, max_pixels=1_000_000).pixels
    images = np.stack([pixels, pixels[:, ::-1]])
    engines = [open_engine(b, "onnx", num_threads=1) for b in (bundle, half)]
    reference, found = (engine(images) for engine in engines)
    assert (reference.scores > 0.2).sum() > 100
    assert not difference(reference, found, bundle.manifest.input, ROUNDED_CUT_OFF_MARGIN).exceeds(
        boxes=0.2, scores=0.005
    )


def half_bundle(bundle: Bundle, path: Path) -> Bundle:
    """The bundle with the fp16 form of its graph."""
    model = to_half(onnx.load(bundle.model_path))
    files = {MODEL: model.SerializeToString(), GOLDEN: bundle.golden_path.read_bytes()}
    return write_bundle(path, bundle.manifest, files)
