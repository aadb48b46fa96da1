"""Boxes that are probably wrong, and how far an engine may be from the model."""

import numpy as np
import pytest

from export.errors import ExportError
from export.wrap.checks import Tolerance, check_agreement, check_batch, doubts
from service.bundle import InputSpec
from service.engines.protocol import Candidates
from tests.fake_engine import FakeEngine

SPEC = InputSpec(height=64, width=96, resize="stretch")


@pytest.mark.parametrize(
    ("boxes", "doubt"),
    [
        ([[10, 10, 30, 30]], None),
        ([[-20, -20, 60, 60], [90, 50, 100, 70]], None),
        ([], None),
        ([[100, 10, 120, 30], [10, 70, 30, 90], [1, 1, 9, 9]], "2 of 3 boxes lie outside the image"),
        ([[0.1, 0.1, 0.9, 0.5]], "no box is larger than 0.8 pixels; are its numbers in 0…1?"),
        ([[50, 30, 20, 40]], "1 of 1 boxes are empty; are their numbers in another order?"),
    ],
)
def test_boxes_that_no_detector_gives_are_doubted(boxes: list[list[float]], doubt: str | None) -> None:
    assert doubts(np.array(boxes, np.float32).reshape(-1, 4), SPEC) == doubt


def nothing(size: int, score: float = 0.0) -> Candidates:
    """The candidates of FakeEngine, with another score."""
    scores = np.full((size, 1), score, np.float32)
    return Candidates(np.zeros((size, 1, 4), np.float32), scores, np.zeros((size, 1), np.int32))


def test_an_engine_that_agrees_is_accepted() -> None:
    images = np.zeros((3, 64, 96, 3), np.uint8)
    assert not check_agreement(nothing(3), FakeEngine(), images, Tolerance()).exceeds(0, 0)


def test_an_engine_that_misses_candidates_is_refused() -> None:
    images = np.zeros((3, 64, 96, 3), np.uint8)
    with pytest.raises(ExportError, match=r"it differs from the model by .*; allowed are 0\.001 px and 0\.0001"):
        check_agreement(nothing(3, 0.5), FakeEngine(), images, Tolerance())


def test_a_model_in_fp16_may_differ_by_its_rounding() -> None:
    assert Tolerance.of(is_half=False, spec=SPEC) == Tolerance(1e-3, 1e-4)
    assert Tolerance.of(is_half=True, spec=SPEC) == Tolerance(96 / 1024, 2 / 1024)


def test_a_graph_that_does_not_load_is_refused() -> None:
    with pytest.raises(ExportError, match="it cannot run a batch of 3"):
        check_batch(b"no model", np.zeros((3, 64, 96, 3), np.uint8))
