"""What holds for every engine: how it is described, and that one with wrong answers is not served."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import BundleError, read_bundle
from service.detection.golden import check_golden
from service.engines.engine import Candidates, Engine, describe
from service.engines.open import open_engine
from tests.fake_engine import FakeEngine
from tests.service.engines.golden_images import DEFAULT
from tests.tiny_bundle import write_tiny_bundle


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


def test_an_engine_is_described_by_device_and_precision() -> None:
    assert describe(FakeEngine()) == "cpu, fp32"


def test_wrong_answers_are_refused_in_bf16_too(tmp_path: Path) -> None:
    for bundle in (read_bundle(DEFAULT), write_tiny_bundle(tmp_path / "tiny")):
        engine = ShiftedEngine(open_engine(bundle, "onnx", num_threads=1))
        with pytest.raises(BundleError, match=r"\(cpu, bf16\) misses .* answers would be wrong; try --precision fp32"):
            check_golden(bundle, engine)
        engine.close()
