"""The fp16 form of a graph: which parts are fp16, and how much the candidates of a trained model change."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from export.build import Built
from export.errors import ExportError
from export.half_precision import to_half
from export.parity import ROUNDED_CUT_OFF_MARGIN, difference
from service.bundle import GOLDEN, MODEL, Bundle, read_bundle, write_bundle
from service.detection.decode import decode_image
from service.engines.open import open_engine
from service.settings import DEFAULT_BUNDLES
from tests.export.half_convolutions import assert_only_convolutions_are_half


def test_passd_s_convolutions_are_half_and_its_boxes_and_scores_are_not(built: Built) -> None:
    model = to_half(onnx.load(built.bundle.model_path))
    assert_only_convolutions_are_half(model)
    assert sum(node.op_type == "OffsetConv" for node in model.graph.node) == 4
    assert [tensor.type.tensor_type.elem_type for tensor in model.graph.input] == [TensorProto.UINT8]


def test_the_original_model_is_not_changed(built: Built) -> None:
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


def test_a_trained_model_s_candidates_hardly_change(tmp_path: Path) -> None:
    """On 72 images that the model was not trained on, the largest differences were 0.38 px and a score of 0.019, and in
    half of these images less than 0.19 px and 0.0075.
    """
    bundle = read_bundle(DEFAULT_BUNDLES / "bccd-passd-320").without_int8()
    golden = bundle.golden_path.read_bytes()
    half = half_bundle(bundle, tmp_path / "half")
    pixels = decode_image(golden, max_pixels=1_000_000).pixels
    images = np.stack([pixels, pixels[:, ::-1]])
    engines = [open_engine(b, "onnx", num_threads=1) for b in (bundle, half)]
    reference, found = (engine(images) for engine in engines)
    assert (reference.scores > 0.2).sum() > 100
    differences = difference(reference, found, bundle.manifest.input, ROUNDED_CUT_OFF_MARGIN)
    assert not differences.exceeds(boxes=0.2, scores=0.005)


def half_bundle(bundle: Bundle, path: Path) -> Bundle:
    """The bundle with the fp16 form of its graph."""
    model = to_half(onnx.load(bundle.model_path))
    files = {MODEL: model.SerializeToString(), GOLDEN: bundle.golden_path.read_bytes()}
    return write_bundle(path, bundle.manifest.model_copy(update={"card": None}), files)
