"""Matching and hard negatives: equality with plain loops, and the limiting cases."""

import numpy as np
import pytest
import torch
from torch import Tensor

from models.boxes.anchors import anchors
from models.boxes.geometry import cxcywh_to_xyxy
from models.boxes.matching import Matches, hard_negatives, match, match_anchors
from tests.models import oracles
from tests.models.oracles import Box
from tests.models.random_boxes import random_boxes


def as_boxes(tensor: Tensor) -> list[Box]:
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in tensor.tolist()]


def objects_of(matches: Matches, image: int = 0) -> list[int | None]:
    """The object of each box of an image, None for a negative."""
    rows = zip(matches.index[image].tolist(), matches.is_positive[image].tolist(), strict=True)
    return [m if is_positive else None for m, is_positive in rows]


def crowded_boxes(count: int, seed: int) -> Tensor:
    """Boxes (count, 4) on whole pixels in a small area: many have the same IoU with one object."""
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 4, (count, 2))
    return torch.from_numpy(np.concatenate([low, low + rng.integers(1, 5, (count, 2))], axis=1)).double()


@pytest.mark.parametrize("force_best", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_matches_equal_those_of_plain_loops(seed: int, force_best: bool) -> None:
    boxes, ground_truth = random_boxes(40, seed), random_boxes(6, seed + 50)
    expected = oracles.match(as_boxes(boxes), as_boxes(ground_truth), 0.3, force_best)
    assert objects_of(match(boxes[None], [ground_truth], 0.3, force_best)) == expected


@pytest.mark.parametrize("count", [7, 12, 30])
@pytest.mark.parametrize("seed", range(4))
def test_matches_of_crowded_objects_equal_those_of_plain_loops(seed: int, count: int) -> None:
    """Many objects with the same best boxes, also more objects than boxes."""
    boxes, ground_truth = crowded_boxes(20, seed), crowded_boxes(count, seed + 50)
    expected = oracles.match(as_boxes(boxes), as_boxes(ground_truth), 0.5, force_best=True)
    found = objects_of(match(boxes[None], [ground_truth], 0.5, force_best=True))
    assert found == expected
    own = oracles.bipartite(as_boxes(boxes), as_boxes(ground_truth))
    assert len(own) > 5
    assert all(found[n] == m for n, m in own.items())


def test_a_batch_gives_the_matches_of_its_single_images() -> None:
    """Objects are counted over the whole batch, of which the second image has none."""
    boxes = torch.stack([random_boxes(30, seed) for seed in range(3)])
    ground_truth = [random_boxes(6, 50), torch.zeros(0, 4, dtype=torch.float64), random_boxes(9, 51)]
    found = match(boxes, ground_truth, 0.3, force_best=True)
    for image, start in enumerate((0, 6, 6)):
        alone = objects_of(match(boxes[image : image + 1], [ground_truth[image]], 0.3, force_best=True))
        assert objects_of(found, image) == [None if m is None else m + start for m in alone]
        assert any(m is not None for m in alone) == (image != 1)


def test_a_box_with_an_iou_of_exactly_the_threshold_is_negative() -> None:
    """PASSD §5: "higher than 0.5"."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9]])
    ground_truth = torch.tensor([[0.0, 0, 10, 5]])
    assert match(boxes[None], [ground_truth], 0.5, force_best=False).is_positive.tolist() == [[False, True]]


def test_without_ground_truth_nothing_is_positive() -> None:
    matches = match(random_boxes(7, 0)[None], [torch.zeros(0, 4)], 0.5, force_best=True)
    assert matches.is_positive.tolist() == [[False] * 7]
    assert matches.index.shape == (1, 7)


def test_a_long_object_gets_its_best_box_only_when_forced() -> None:
    """The IoU of a square box and an object of aspect ratio 3 is at most 1 / (2 sqrt(3) - 1) = 0.406."""
    sizes = torch.arange(10.0, 100)
    boxes = torch.stack([50 - sizes / 2, 50 - sizes / 2, 50 + sizes / 2, 50 + sizes / 2], dim=1)[None]
    long = [torch.tensor([[20.0, 40, 80, 60]])]
    assert not match(boxes, long, 0.5, force_best=False).is_positive.any()
    assert match(boxes, long, 0.5, force_best=True).is_positive.sum() == 1


def test_two_objects_with_one_best_box_have_a_box_each() -> None:
    """The object with the higher IoU keeps the common best box, the other one gets its next best."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [8, 0, 18, 10], [100, 100, 110, 110]])
    close, far = [0.0, 0, 10, 9], [0.0, 0, 10, 4]
    for order in ([close, far], [far, close]):
        ground_truth = [torch.tensor(order)]
        for found in (
            match(boxes[None], ground_truth, 0.5, True),
            match_anchors(boxes[None], ground_truth, 0.5, 0.4, True),
        ):
            assert objects_of(found) == [order.index(close), order.index(far), None]


def test_an_object_that_overlaps_no_box_has_none() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10], [20, 20, 30, 30]])
    outside = [torch.tensor([[100.0, 100, 110, 110], [10.0, 0, 15, 10]])]  # the second one touches a box
    for found in (match(boxes[None], outside, 0.5, True), match_anchors(boxes[None], outside, 0.5, 0.4, True)):
        assert not found.is_positive.any()


@pytest.mark.parametrize("force_best", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_anchor_matches_equal_those_of_plain_loops(seed: int, force_best: bool) -> None:
    boxes, ground_truth = random_boxes(60, seed), random_boxes(5, seed + 90)
    found = match_anchors(boxes[None], [ground_truth], 0.3, 0.2, force_best)
    expected = oracles.match_anchors(as_boxes(boxes), as_boxes(ground_truth), 0.3, 0.2, force_best)
    states = [
        "positive" if p else "ignored" if i else "negative"
        for p, i in zip(found.is_positive[0], found.is_ignored[0], strict=True)
    ]
    assert states == [state for state, _ in expected]
    for n, (state, index) in enumerate(expected):
        if state == "positive":
            assert found.index[0, n] == index


def test_anchors_are_positive_from_the_upper_threshold_and_negative_below_the_lower() -> None:
    boxes = torch.tensor([[0.0, 0, 10, 10]] * 3)
    for height, positive, ignored in ((5.0, True, False), (4.5, False, True), (4.0, False, True), (3.9, False, False)):
        found = match_anchors(boxes[None, :1], [torch.tensor([[0, 0, 10, height]])], 0.5, 0.4, force_best=False)
        assert (found.is_positive.item(), found.is_ignored.item()) == (positive, ignored)


def test_without_objects_all_anchors_are_negative() -> None:
    found = match_anchors(random_boxes(7, 0)[None], [torch.zeros(0, 4)], 0.5, 0.4, force_best=True)
    assert not found.is_positive.any()
    assert not found.is_ignored.any()


@pytest.mark.parametrize("box", [[101.0, 101, 102, 102], [-500, -500, 1500, 1500]])
def test_a_tiny_and_a_huge_object_have_anchors_only_when_forced(box: list[float]) -> None:
    sizes = [(16 // 2**level, 16 // 2**level) for level in range(5)]
    boxes = cxcywh_to_xyxy(anchors(sizes, (8, 16, 32, 64, 128), 4, (1.0, 2 ** (1 / 3), 2 ** (2 / 3)), (0.5, 1.0, 2.0)))
    assert match_anchors(boxes[None], [torch.tensor([box])], 0.5, 0.4, force_best=True).is_positive.any()
    assert not match_anchors(boxes[None], [torch.tensor([box])], 0.5, 0.4, force_best=False).is_positive.any()


@pytest.mark.parametrize("seed", range(4))
def test_boxes_mostly_inside_ignored_areas_are_neither_positive_nor_negative(seed: int) -> None:
    """The second image has areas and no objects, the third has no areas."""
    boxes = torch.stack([random_boxes(60, seed + image) for image in range(3)])
    none = torch.zeros(0, 4, dtype=torch.float64)
    ground_truth, areas = (
        [random_boxes(4, 70), none, random_boxes(4, 71)],
        [random_boxes(2, 80), random_boxes(1, 81), none],
    )
    plain = match(boxes, ground_truth, 0.3, True), match_anchors(boxes, ground_truth, 0.3, 0.2, True)
    found = match(boxes, ground_truth, 0.3, True, areas), match_anchors(boxes, ground_truth, 0.3, 0.2, True, areas)
    for image in range(3):
        shares = [
            max((oracles.inside_share(box, area) for area in as_boxes(areas[image])), default=0.0)
            for box in as_boxes(boxes[image])
        ]
        is_inside = torch.tensor([share >= 0.5 for share in shares])
        assert is_inside.any() == (image < 2)
        for before, after in zip(plain, found, strict=True):
            assert torch.equal(after.is_positive[image], before.is_positive[image])
            expected = (before.is_ignored[image] | is_inside) & ~before.is_positive[image]
            assert torch.equal(after.is_ignored[image], expected)


def test_a_box_of_which_half_is_inside_is_ignored() -> None:
    """The larger area around a small box counts, not the IoU; a box without area is inside nothing."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [6, 0, 16, 10], [4, 0, 14, 10], [3, 3, 3, 3]])
    areas = [torch.tensor([[0.0, 0, 10, 100]])]
    found = match(boxes[None], [torch.zeros(0, 4)], 0.5, True, areas)
    assert found.is_ignored.tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("seed", range(5))
def test_hard_negatives_are_those_with_the_largest_loss_in_each_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses = torch.from_numpy(rng.random((4, 50)))
    is_negative = torch.from_numpy(rng.random((4, 50)) < 0.8)
    quota = torch.tensor([[6], [0], [1], [1000]])
    kept = hard_negatives(losses, is_negative, quota)
    for image in range(4):
        negatives = [n for n in range(50) if is_negative[image, n]]
        negatives.sort(key=lambda n: -losses[image, n].item())
        assert set(kept[image].nonzero().flatten().tolist()) == set(negatives[: int(quota[image])])
