"""`python -m export build`: the bundle agrees with torch, its manifest describes it, and a failed build leaves none."""

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from export.__main__ import main
from export.build import Built, check_parity
from export.errors import ExportError
from export.evaluate import evaluate_bundle
from export.graph import fold_batch_norm
from export.parity import difference
from models.data.open import open_data_set
from models.evaluation.torch_engine import TorchEngine
from models.training.checkpoint import load_model
from service.bundle import read_bundle, sha256_of
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Candidates, EngineName
from tests.export.checkpoints import SIZE, open_in_torch
from tests.fake_engine import FakeEngine
from tests.models.pictures import write_voc


def images(batch: int) -> NDArray[np.uint8]:
    return np.random.default_rng(batch).integers(0, 256, (batch, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("engine_name", ["onnx", "openvino"])
def test_engine_agrees_with_torch(checkpoint: Path, built: Built, engine_name: EngineName, batch: int) -> None:
    if engine_name == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is an optional engine: pip install .[cpu]")
    reference = open_in_torch(checkpoint)(images(batch))
    engine = open_engine(built.bundle, engine_name, precision="fp32", num_threads=1)
    found = difference(reference, engine(images(batch)))
    engine.close()
    assert (reference.scores > 0.05).sum() > 20 * batch  # there are enough candidates to compare
    assert found.num_missing == 0
    assert found.boxes < 1e-2
    assert found.scores < 1e-4


def test_a_batch_gives_the_same_candidates_as_its_images_alone(built: Built) -> None:
    engine = open_engine(built.bundle, "onnx", num_threads=1)
    together = engine(images(3))
    for row in range(3):
        alone = engine(images(3)[row : row + 1])
        np.testing.assert_allclose(together.boxes[row], alone.boxes[0], atol=1e-3)
        np.testing.assert_allclose(together.scores[row], alone.scores[0], atol=1e-5)
        np.testing.assert_array_equal(together.labels[row], alone.labels[0])


def test_scores_fall_and_candidates_have_the_contract_s_shapes_and_types(built: Built) -> None:
    found = open_engine(built.bundle, "onnx", num_threads=1)(images(2))
    count = built.bundle.manifest.max_candidates
    arrays = found.boxes, found.scores, found.labels
    assert [array.shape for array in arrays] == [(2, count, 4), (2, count), (2, count)]
    assert [array.dtype.name for array in arrays] == ["float32", "float32", "int32"]
    assert (np.diff(found.scores, axis=1) <= 0).all()


def test_model_has_the_opset_a_dynamic_batch_and_one_offset_convolution_a_level(built: Built) -> None:
    model = onnx.load(built.bundle.model_path)
    assert [(opset.domain, opset.version) for opset in model.opset_import if opset.domain == ""] == [("", 20)]
    nodes = [node for node in model.graph.node if node.domain]
    assert [(node.domain, node.op_type) for node in nodes] == [("singleshot", "OffsetConv")] * 4
    assert [(attribute.name, attribute.i) for node in nodes for attribute in node.attribute] == [("boxes", 3)] * 4
    (function,) = model.functions
    assert {node.domain for node in function.node} == {""}
    assert [(opset.domain, opset.version) for opset in function.opset_import] == [("", 20)]
    (images_input,) = model.graph.input
    assert images_input.name == "images"
    assert images_input.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    batch, *rest = images_input.type.tensor_type.shape.dim
    assert batch.dim_param
    assert [dim.dim_value for dim in rest] == [SIZE, SIZE, 3]


def test_filters_are_stored_in_half_precision(checkpoint: Path, built: Built) -> None:
    num_parameters = sum(p.numel() for p in load_model(checkpoint).model.parameters())
    assert built.bundle.model_path.stat().st_size < 2.2 * num_parameters


def test_model_contains_no_path_of_the_machine_that_exported_it(built: Built) -> None:
    assert b"site-packages" not in built.bundle.model_path.read_bytes()
    assert str(Path.cwd()).encode() not in built.bundle.model_path.read_bytes()


def test_manifest_says_where_the_weights_came_from(checkpoint: Path, built: Built) -> None:
    manifest = built.bundle.manifest
    assert (manifest.name, manifest.version) == ("random", "7")
    assert manifest.source.preset == "passd-320-mobilenet"
    assert manifest.source.checkpoint_sha256 == sha256_of(checkpoint)
    assert manifest.source.data_set == "rectangles/train"


def test_manifest_records_the_ap_that_evaluate_measures(built: Built, tmp_path: Path) -> None:
    tree = write_voc(tmp_path / "rectangles", {"test": 3})
    evaluation = evaluate_bundle(built.bundle.path, partial(open_data_set, tree, "test"), "onnx")
    assert built.bundle.manifest.metrics == {"rectangles/test AP50": round(evaluation.mean_ap, 5)}


def test_golden_image_has_detections_even_for_a_weak_model(built: Built) -> None:
    assert built.bundle.manifest.golden.detections
    check_golden(built.bundle, open_engine(built.bundle, "onnx", num_threads=1))


@pytest.mark.usefixtures("traced_once")
@pytest.mark.parametrize(("threshold", "is_weak"), [("0.01", False), ("1", True)])
def test_the_command_that_serves_a_weak_model_avoids_bf16(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], threshold: str, is_weak: bool
) -> None:
    assert main(["build", str(checkpoint), "--out", str(tmp_path / "bundle"), "--score-threshold", threshold]) == 0
    printed = capsys.readouterr().out
    assert ("train the model for longer" in printed) is is_weak
    assert printed.strip().endswith("--precision fp32") is is_weak


def test_folding_batch_norm_does_not_change_the_candidates(checkpoint: Path) -> None:
    trained = load_model(checkpoint)
    before = TorchEngine(trained.model)(images(2))
    fold_batch_norm(trained.model)
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in trained.model.modules())
    found = difference(before, TorchEngine(trained.model)(images(2)))
    assert not found.exceeds(boxes=1e-2, scores=1e-4)


class Shifted(FakeEngine):
    """An engine whose boxes are wrong by a tenth of a pixel."""

    def __init__(self, engine: TorchEngine) -> None:
        self.engine = engine

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        found = self.engine(images)
        return Candidates(found.boxes + np.float32(0.1), found.scores, found.labels)


def test_an_engine_that_differs_from_torch_is_refused(checkpoint: Path) -> None:
    trained = load_model(checkpoint)
    check_parity(trained, TorchEngine(trained.model), trained.model.config.input_spec)
    with pytest.raises(ExportError, match=r"differs from torch by boxes 0\.1 px"):
        check_parity(trained, Shifted(TorchEngine(trained.model)), trained.model.config.input_spec)


def test_a_file_that_is_no_checkpoint_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "best.pt"
    bad.write_bytes(b"not a checkpoint")
    assert main(["build", str(bad), "--out", str(tmp_path / "bundle")]) == 1
    assert "best.pt" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]


@pytest.mark.parametrize("option", [["--name", "two words"], ["--version", "1/2"], ["--version", ""]])
def test_a_name_or_version_that_no_url_can_hold_is_refused_and_nothing_is_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    assert main(["build", str(checkpoint), "--out", str(tmp_path / "bundle"), *option]) == 1
    error = capsys.readouterr().err
    assert f"{option[0][2:]}: String should match pattern" in error
    assert "see --name and --version" in error
    assert list(tmp_path.iterdir()) == []


EXPORT_WITHOUT_TRACING = """
import sys
import onnx
import export.build
from export.__main__ import main

export.build.to_onnx = lambda graph, spec: onnx.load(sys.argv[1])
sys.exit(main(sys.argv[2:]))
"""


def test_an_export_killed_at_any_time_leaves_no_bundle_behind(checkpoint: Path, built: Built, tmp_path: Path) -> None:
    out = tmp_path / "bundles" / "killed"
    export = ["build", str(checkpoint), "--out", str(out)]
    command = [sys.executable, "-c", EXPORT_WITHOUT_TRACING, str(built.bundle.model_path), *export]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not out.parent.exists():  # the folder exists from the start of writing
            time.sleep(0.001)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert out.parent.exists()
    if out.exists():  # the export ended before the signal: then the bundle must be complete
        assert json.loads((out / "manifest.json").read_text())["name"] == "killed"
        read_bundle(out)
