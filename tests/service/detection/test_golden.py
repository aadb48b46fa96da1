"""The check of engines by the golden image."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import Bundle, BundleError, Golden, read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Candidates, Engine, EngineName
from tests.fake_engine import FakeEngine
from tests.service.engines.golden_images import DEFAULT
from tests.tiny_bundle import png, write_tiny_bundle


@pytest.mark.parametrize("name", ["onnx", "openvino", "auto"])
def test_every_engine_answers_the_golden_image(tiny_bundle: Bundle, name: EngineName) -> None:
    if name == "openvino":
        pytest.importorskip("openvino")
    engine = open_engine(tiny_bundle, name, num_threads=1)
    check_golden(tiny_bundle, engine)
    engine.close()


class ShiftedEngine(FakeEngine):
    """A real engine whose boxes lie 20 pixels off, in a precision that may lose a few detections."""

    precision = "bf16"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        candidates = self._engine(images)
        return Candidates(candidates.boxes + np.float32(20), candidates.scores, candidates.labels)

    def close(self) -> None:
        self._engine.close()


def test_golden_detections_may_lie_below_the_default_threshold(tmp_path: Path, tiny_engine: Engine) -> None:
    weak = write_tiny_bundle(tmp_path / "weak", brightness=51)
    assert weak.manifest.golden.detections[0].score < weak.manifest.nms.score_threshold
    check_golden(weak, tiny_engine)


def test_a_wrong_golden_answer_is_refused(tmp_path: Path, tiny_engine: Engine) -> None:
    bundle = write_tiny_bundle(tmp_path / "wrong")
    (bundle.path / "golden.png").write_bytes(png(np.zeros((64, 64, 3), np.uint8)))
    with pytest.raises(BundleError, match=r"misses 2 of 2 detections.*export the bundle again"):
        check_golden(bundle, tiny_engine)


def test_wrong_answers_are_refused_in_bf16_too(tmp_path: Path) -> None:
    for bundle in (read_bundle(DEFAULT), write_tiny_bundle(tmp_path / "tiny")):
        engine = ShiftedEngine(open_engine(bundle, "onnx", num_threads=1))
        with pytest.raises(BundleError, match=r"\(cpu, bf16\) misses .* answers would be wrong; try --precision fp32"):
            check_golden(bundle, engine)
        engine.close()


def test_a_model_with_more_classes_than_the_manifest_is_refused(tmp_path: Path, tiny_engine: Engine) -> None:
    bundle = write_tiny_bundle(tmp_path / "one_class")
    manifest = bundle.manifest.model_copy(update={"classes": ("red",), "golden": Golden(detections=())})
    with pytest.raises(BundleError, match=r"manifest\.json: the model gives the label 1, and classes has only 1 names"):
        check_golden(Bundle(bundle.path, manifest), tiny_engine)
