"""The file model.fp16.onnx: it is the fp16 form of model.onnx, has its filters from that file, and may be left out."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from export.__main__ import main
from export.build import Built
from export.errors import ExportError
from export.half_model import half_model, half_model_files
from export.half_precision import to_half
from service.bundle import GOLDEN, HALF_MODEL, MODEL, Bundle, read_bundle
from service.detection.golden import check_golden
from service.engines.onnx_runtime import OnnxEngine
from service.settings import DEFAULT_BUNDLES
from tests.export.checkpoints import SIZE

DEFAULT = DEFAULT_BUNDLES / "bccd-passd-320"


def half_path(bundle: Bundle) -> Path:
    assert bundle.half_model_path is not None
    return bundle.half_model_path


def candidates(model: str | bytes) -> list[NDArray[np.generic]]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    found: list[NDArray[np.generic]] = session.run(None, {"images": images})
    return found


def test_the_filters_are_stored_once(built: Built) -> None:
    half = onnx.load(half_path(built.bundle), load_external_data=False)
    shared = [tensor for tensor in half.graph.initializer if tensor.data_location == TensorProto.EXTERNAL]
    assert {entry.value for tensor in shared for entry in tensor.external_data if entry.key == "location"} == {MODEL}
    filters = {node.input[1] for node in half.graph.node if node.op_type == "Conv"}
    large = {tensor.name for tensor in half.graph.initializer if np.prod(tensor.dims) >= 256 and len(tensor.dims) > 1}
    assert filters & large <= {tensor.name for tensor in shared}
    assert half_path(built.bundle).stat().st_size < built.bundle.model_path.stat().st_size / 20


def test_onnx_reads_the_file_as_the_fp16_form_of_the_model(built: Built) -> None:
    found, expected = onnx.load(half_path(built.bundle)), to_half(onnx.load(built.bundle.model_path))
    for tensor, wanted in zip(found.graph.initializer, expected.graph.initializer, strict=True):
        assert (tensor.name, tensor.data_type) == (wanted.name, wanted.data_type)
        np.testing.assert_array_equal(numpy_helper.to_array(tensor), numpy_helper.to_array(wanted))
    for model in (found, expected):
        del model.graph.initializer[:]
    assert found == expected


def test_onnx_runtime_computes_with_the_file_what_it_computes_with_the_fp16_form(built: Built) -> None:
    expected = candidates(to_half(onnx.load(built.bundle.model_path)).SerializeToString())
    for found, wanted in zip(candidates(str(half_path(built.bundle))), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_packaged_bundle_has_the_fp16_form_of_its_model() -> None:
    bundle = read_bundle(DEFAULT)
    assert half_path(bundle).read_bytes() == half_model(bundle.model_path.read_bytes())
    engine = OnnxEngine(bundle, precision="fp16")
    assert engine.precision == "fp16"
    check_golden(bundle, engine)
    engine.close()


def test_a_form_that_misses_golden_detections_is_refused() -> None:
    bundle = read_bundle(DEFAULT).without_int8()
    golden = bundle.manifest.golden
    files = {MODEL: bundle.model_path.read_bytes(), GOLDEN: bundle.golden_path.read_bytes()}
    manifest = bundle.manifest.model_copy(update={"card": None})  # it names further files
    assert set(half_model_files(manifest, files)) == {HALF_MODEL}
    elsewhere = [detection.model_copy(update={"box": (0, 0, 9, 9)}) for detection in golden.detections]
    wrong = golden.model_copy(update={"detections": (*golden.detections, *elsewhere)})
    with pytest.raises(ExportError, match="misses golden detections"):
        half_model_files(manifest.model_copy(update={"golden": wrong}), files)


@pytest.mark.usefixtures("traced_once")
def test_a_model_that_does_not_fit_fp16_becomes_a_bundle_without_that_form(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_model: onnx.ModelProto) -> onnx.ModelProto:
        raise ExportError("bias: a value of 1e+06 does not fit fp16")

    monkeypatch.setattr("export.half_model.to_half", refuse)
    assert main(["build", str(checkpoint), "--out", str(tmp_path / "bundle")]) == 0
    printed = capsys.readouterr().out
    assert "it has no model.fp16.onnx" in printed
    assert "bias: a value of 1e+06 does not fit fp16" in printed
    assert read_bundle(tmp_path / "bundle").half_model_path is None
