"""The pipeline with both engines, and the bundle that it runs."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from service.bundle import MANIFEST, Bundle, BundleError, read_bundle
from service.detection.annotate import annotate
from service.detection.golden import check_golden
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Options, default_options, postprocess
from service.engines.engine import Engine, EngineError, EngineName, ImageCandidates
from service.engines.open import open_engine
from tests.tiny_bundle import golden_image, png, write_tiny_bundle

EVERYTHING = Options(method="gaussian", sigma=0.5, iou_threshold=0.45, score_threshold=0.0, max_detections=1000)


@pytest.mark.parametrize("name", ["onnx", "openvino", "auto"])
def test_every_engine_answers_the_golden_image(tiny_bundle: Bundle, name: EngineName) -> None:
    if name == "openvino":
        pytest.importorskip("openvino")
    engine = open_engine(tiny_bundle, name, num_threads=1)
    check_golden(tiny_bundle, engine)
    engine.close()


def test_the_engines_agree_at_every_batch_size(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    pytest.importorskip("openvino")
    openvino = open_engine(tiny_bundle, "openvino", precision="fp32", num_threads=1)
    images = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    for size in (1, 5, 2):
        ours, theirs = tiny_engine(images[:size]), openvino(images[:size])
        np.testing.assert_allclose(theirs.scores, ours.scores, atol=1e-5)
        assert theirs.boxes.shape == (size, 20, 4)
        assert theirs.labels.dtype == np.int32
    openvino.close()


def test_answers_do_not_change_when_the_engine_runs_again(tiny_bundle: Bundle) -> None:
    for name in ("onnx", "openvino"):
        engine = open_engine(tiny_bundle, name, num_threads=1)
        first = engine(golden_image()[None])
        kept = first.scores.copy()
        engine(np.zeros((1, 64, 64, 3), np.uint8))
        assert (first.scores == kept).all()
        engine.close()


def test_boxes_are_in_image_pixels(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    large = golden_image().repeat(10, axis=0).repeat(5, axis=1)
    (found,) = Pipeline(tiny_bundle, tiny_engine).detect([large])
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes, [[80, 160, 160, 320], [200, 400, 280, 560]])


def test_a_batch_equals_its_images_run_alone(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    pipeline = Pipeline(tiny_bundle, tiny_engine, max_batch=2)
    images = [png(golden_image()), golden_image()[::-1].copy(), np.zeros((1, 1, 3), np.uint8)]
    together = pipeline.detect(images, EVERYTHING)
    for image, found in zip(images, together, strict=True):
        (alone,) = pipeline.detect([image], EVERYTHING)
        np.testing.assert_allclose(found.boxes, alone.boxes)
        np.testing.assert_allclose(found.scores, alone.scores)


def test_no_images_give_no_detections(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    assert Pipeline(tiny_bundle, tiny_engine).detect([]) == []


def test_only_wanted_labels_are_kept(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    defaults = default_options(tiny_bundle.manifest.nms)
    only_green = Options(defaults.method, 0.5, 0.45, 0.6, 100, frozenset([1]))
    (found,) = Pipeline(tiny_bundle, tiny_engine).detect([golden_image()], only_green)
    assert found.labels.tolist() == [1]


def test_candidates_are_not_clipped_because_that_would_change_their_overlaps(tiny_bundle: Bundle) -> None:
    boxes, scores = np.array([[-16, 0, 32, 80], [0, 0, 8, 8]], np.float32), np.array([0.9, 0.2], np.float32)
    none = replace(default_options(tiny_bundle.manifest.nms), method=None)
    found = postprocess(
        ImageCandidates(boxes, scores, np.zeros(2, np.int32)), none, tiny_bundle.manifest.input, (128, 64)
    )
    np.testing.assert_allclose(found.boxes, [[-16, 0, 32, 160]])
    picture = annotate(np.zeros((128, 64, 3), np.uint8), found, ("a",))
    assert picture.startswith(b"\xff\xd8")


def test_an_image_without_objects_has_no_detections(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    (found,) = Pipeline(tiny_bundle, tiny_engine).detect([np.zeros((30, 20, 3), np.uint8)])
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)


def test_golden_detections_may_lie_below_the_default_threshold(tmp_path: Path, tiny_engine: Engine) -> None:
    weak = write_tiny_bundle(tmp_path / "weak", brightness=51)
    assert weak.manifest.golden.detections[0].score < weak.manifest.nms.score_threshold
    check_golden(weak, tiny_engine)


def test_a_wrong_golden_answer_is_refused(tmp_path: Path, tiny_engine: Engine) -> None:
    bundle = write_tiny_bundle(tmp_path / "wrong")
    (bundle.path / "golden.png").write_bytes(png(np.zeros((64, 64, 3), np.uint8)))
    with pytest.raises(BundleError, match=r"misses 2 of 2 detections.*export the bundle again"):
        check_golden(bundle, tiny_engine)


def test_a_file_that_is_not_a_model_is_refused_with_a_remedy(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "broken")
    bundle.model_path.write_bytes(b"no model")
    for name in ("onnx", "openvino"):
        with pytest.raises(EngineError, match=r"model\.onnx: .* cannot load it: .*export the bundle again"):
            open_engine(bundle, name)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "changed")
    bundle.model_path.write_bytes(bundle.model_path.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"model\.onnx: SHA-256 is .*copy the whole bundle again"):
        read_bundle(bundle.path)


def test_a_directory_without_a_manifest_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="it is no bundle"):
        read_bundle(tmp_path)


def test_a_broken_manifest_is_refused(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "broken")
    (bundle.path / MANIFEST).write_text('{"format": 1}')
    with pytest.raises(BundleError, match=r"manifest\.json: name: .*export the bundle again"):
        read_bundle(bundle.path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "partial")
    bundle.model_path.unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: the manifest lists it but it is missing"):
        read_bundle(bundle.path)


def test_writing_a_bundle_replaces_the_one_that_was_there(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "b", name="first")
    assert write_tiny_bundle(tmp_path / "b", name="second").manifest.name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    shutil.rmtree(tmp_path / "b")
