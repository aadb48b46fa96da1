"""How two engines' candidates are paired, and which differences between them count."""

import numpy as np
import pytest

from export.parity import Difference, difference
from service.bundle import InputSpec
from service.engines.protocol import Candidates


def candidates(*rows: tuple[float, float, int]) -> Candidates:
    """One image's candidates from (left edge, score, label), each box 10 pixels wide, and a row of padding."""
    rows = (*rows, (0, 0.0, 0))
    boxes = np.array([[[x, 0, x + 10, 10] for x, _, _ in rows]], np.float32)
    scores = np.array([[s for _, s, _ in rows]], np.float32)
    return Candidates(boxes, scores, np.array([[k for _, _, k in rows]], np.int32))


def test_equal_candidates_do_not_differ() -> None:
    some = candidates((0, 0.9, 0), (50, 0.4, 1))
    assert difference(some, some) == Difference(0, 0, 0)


def test_the_order_of_equal_scores_does_not_matter() -> None:
    left, right = (0, 0.5, 0), (50, 0.5, 0)
    assert difference(candidates(left, right), candidates(right, left)) == Difference(0, 0, 0)


def test_the_largest_differences_of_boxes_and_of_scores_are_found() -> None:
    found = difference(candidates((0, 0.9, 0), (50, 0.4, 1)), candidates((0.25, 0.9, 0), (50, 0.3, 1)))
    assert found.boxes == pytest.approx(0.25)
    assert found.scores == pytest.approx(0.1)
    assert found.exceeds(boxes=0.2, scores=1)
    assert found.exceeds(boxes=1, scores=0.05)
    assert not found.exceeds(boxes=0.3, scores=0.2)


def test_a_candidate_with_another_label_is_no_counterpart() -> None:
    found = difference(candidates((0, 0.9, 0)), candidates((0, 0.9, 1)))
    assert found.num_missing == 1
    assert found.exceeds(boxes=100, scores=100)


def test_a_candidate_just_above_the_cut_off_score_does_not_count() -> None:
    some, other = candidates((0, 0.9, 0), (50, 0.5001, 0)), candidates((0, 0.9, 0), (90, 0.5, 0))
    full, full_other = (Candidates(c.boxes[:, :2], c.scores[:, :2], c.labels[:, :2]) for c in (some, other))
    assert difference(full, full_other) == Difference(0, 0, 0)
    assert difference(full, full_other, margin=0).boxes == 40
    assert difference(some, other).boxes == 40


def test_candidates_with_the_score_of_noise_are_not_compared() -> None:
    assert difference(candidates((0, 0.9, 0), (50, 0.01, 1)), candidates((0, 0.9, 0))) == Difference(0, 0, 0)


def test_the_best_candidates_of_a_weak_model_are_compared() -> None:
    weak = candidates((0, 0.02, 0), (50, 0.005, 1))
    assert difference(weak, candidates((3, 0.02, 0))) == Difference(3, 0, 0)
    assert difference(weak, candidates((0, 0.02, 1))).num_missing == 1
    assert difference(candidates(), candidates()) == Difference(0, 0, 0)


def test_the_part_of_a_box_outside_the_input_does_not_count() -> None:
    spec = InputSpec(height=64, width=64, resize="stretch")
    some = candidates((-5, 0.9, 0), (60, 0.8, 0))
    moved = np.array([[[-1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]], np.float32)
    other = Candidates(some.boxes + moved, some.scores, some.labels)
    assert difference(some, other).boxes == 1
    assert difference(some, other, inside=spec) == Difference(0, 0, 0)
    larger = InputSpec(height=64, width=71, resize="stretch")
    assert difference(some, other, inside=larger).boxes == 1


def test_boxes_that_cover_the_whole_input_are_paired_by_their_part_outside() -> None:
    spec = InputSpec(height=10, width=4, resize="stretch")
    some = candidates((-1, 0.9, 0), (-2, 0.3, 0))
    assert difference(some, candidates((-2, 0.3, 0), (-1, 0.9, 0)), inside=spec) == Difference(0, 0, 0)
