"""RetinaNet's anchors and their matching: the paper's sizes, and plain loops."""

import pytest
import torch

from models.boxes.anchors import anchors
from models.boxes.matching import match_anchors
from tests.models import oracles
from tests.models.random_boxes import random_boxes

SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # RetinaNet §4
RATIOS = (0.5, 1.0, 2.0)
STRIDES = (8, 16, 32, 64, 128)


def test_areas_run_from_32_to_512_squared_times_the_scales() -> None:
    """RetinaNet §4: "areas of 32² to 512² on pyramid levels P3 to P7"."""
    for level, stride in enumerate(STRIDES):
        boxes = anchors([(1, 1)], [stride], 4, SCALES, RATIOS)
        side = 32 * 2**level
        assert boxes[:, 2:].prod(dim=1).sqrt().tolist() == pytest.approx(
            [side * s for s in SCALES for _ in RATIOS], rel=1e-5
        )
        assert (boxes[:, 3] / boxes[:, 2]).tolist() == pytest.approx(list(RATIOS) * 3, rel=1e-5)


def test_anchors_stand_on_cell_centres_by_row_column_scale_ratio() -> None:
    boxes = anchors([(2, 3)], [8], 4, (1.0, 2.0), (1.0, 4.0))
    assert boxes[::4, :2].tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert boxes[4:8, 2:].tolist() == [[32, 32], [16, 64], [64, 64], [32, 128]]


@pytest.mark.parametrize(("height", "width", "count"), [(512, 512, 49_104), (896, 1408, 236_313)])
def test_number_of_anchors(height: int, width: int, count: int) -> None:
    sizes = [(height // stride, width // stride) for stride in STRIDES]
    assert len(anchors(sizes, STRIDES, 4, SCALES, RATIOS)) == count


@pytest.mark.parametrize("force_best", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_matches_are_those_of_plain_loops(seed: int, force_best: bool) -> None:
    boxes, ground_truth = random_boxes(60, seed), random_boxes(5, seed + 90)
    found = match_anchors(boxes, ground_truth, 0.3, 0.2, force_best)
    expected = oracles.match_anchors(
        [tuple(b) for b in boxes.tolist()], [tuple(b) for b in ground_truth.tolist()], 0.3, 0.2, force_best
    )
    states = [
        "positive" if p else "ignored" if i else "negative"
        for p, i in zip(found.is_positive, found.is_ignored, strict=True)
    ]
    assert states == [state for state, _ in expected]
    for n, (state, index) in enumerate(expected):
        if state == "positive":
            assert found.index[n] == index


def test_thresholds_are_positive_from_a_half_and_negative_below_four_tenths() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)
    for height, positive, ignored in ((5.0, True, False), (4.5, False, True), (4.0, False, True), (3.9, False, False)):
        found = match_anchors(boxes[:1], torch.tensor([[0, 0, 10, height]]), 0.5, 0.4, force_best=False)
        assert (found.is_positive.item(), found.is_ignored.item()) == (positive, ignored)


def test_without_objects_all_anchors_are_negative() -> None:
    found = match_anchors(random_boxes(7, 0), torch.zeros(0, 4), 0.5, 0.4, force_best=True)
    assert not found.is_positive.any()
    assert not found.is_ignored.any()


def test_an_object_that_meets_no_anchor_forces_none() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    assert not match_anchors(boxes, torch.tensor([[100.0, 100, 110, 110]]), 0.5, 0.4, force_best=True).is_positive.any()


@pytest.mark.parametrize("box", [[101.0, 101, 102, 102], [-500, -500, 1500, 1500]])
def test_a_tiny_and_a_huge_object_have_anchors_when_forced(box: list[float]) -> None:
    sizes = [(16 // 2**level, 16 // 2**level) for level in range(5)]
    corners = anchors(sizes, STRIDES, 4, SCALES, RATIOS)
    boxes = torch.cat([corners[:, :2] - corners[:, 2:] / 2, corners[:, :2] + corners[:, 2:] / 2], dim=1)
    assert match_anchors(boxes, torch.tensor([box]), 0.5, 0.4, force_best=True).is_positive.any()
    assert not match_anchors(boxes, torch.tensor([box]), 0.5, 0.4, force_best=False).is_positive.any()
