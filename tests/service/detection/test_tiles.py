"""Tiles of large images: where they lie, and how their boxes are merged."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.postprocess import Options, postprocess
from service.detection.tiles import MIN_COVER, OVERLAP, from_view, is_covered, is_cut, merge_views, views_of
from service.engines.protocol import ImageCandidates

SPEC = InputSpec(height=100, width=100, resize="stretch")
OPTIONS = Options(method="gaussian", sigma=0.5, iou_threshold=0.45, score_threshold=0.3, max_detections=100)


def found(*boxes: tuple[float, float, float, float], score: float = 0.9, label: int = 0) -> ImageCandidates:
    """Candidates in input pixels."""
    return ImageCandidates(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), score, np.float32),
        np.full(len(boxes), label, np.int32),
    )


def covers(boxes: NDArray[np.float32], labels: NDArray[np.int32], steps: NDArray[np.int64]) -> list[bool]:
    """The plain loop: step by step, each box against those of earlier steps that are still there."""
    covered = [False] * len(boxes)
    for step in (1, 2):
        for i in np.flatnonzero(steps == step):
            x1, y1, x2, y2 = boxes[i].tolist()
            for j in np.flatnonzero(steps < step):
                a1, b1, a2, b2 = boxes[j].tolist()
                shared = max(0.0, min(x2, a2) - max(x1, a1)) * max(0.0, min(y2, b2) - max(y1, b1))
                same = labels[i] == labels[j] and not covered[j]
                covered[i] |= bool(same and shared > 0 and shared >= MIN_COVER * (x2 - x1) * (y2 - y1))
    return covered


@pytest.mark.parametrize("size", [(100, 101), (300, 250), (1000, 90), (99, 1000), (64, 4000), (101, 101)])
def test_the_tiles_cover_the_image_and_overlap_enough(size: tuple[int, int]) -> None:
    views = views_of(size, (100, 100))
    assert views[0].tolist() == [0, 0, size[1], size[0]]
    count = np.zeros(size, int)
    for left, top, right, bottom in views[1:].tolist():
        assert (right - left, bottom - top) == (min(100, size[1]), min(100, size[0]))
        count[top:bottom, left:right] += 1
    assert count.min() >= 1
    for side in (0, 1):
        edges = sorted(set(views[1:, side].tolist()))
        assert all(second - first <= 100 * (1 - OVERLAP) for first, second in itertools.pairwise(edges))


def test_an_object_up_to_the_overlap_is_whole_in_some_tile() -> None:
    views = views_of((350, 420), (100, 100))[1:]
    for left in range(420 - 25):
        for top in range(350 - 25):
            inside = (views[:, 0] <= left) & (views[:, 1] <= top)
            inside &= (views[:, 2] >= left + 25) & (views[:, 3] >= top + 25)
            assert inside.any(), (left, top)


@pytest.mark.parametrize("size", [(100, 100), (30, 100), (1, 1)])
def test_an_image_that_fits_into_a_tile_has_one_view(size: tuple[int, int]) -> None:
    assert views_of(size, (100, 100)).tolist() == [[0, 0, size[1], size[0]]]


def test_a_view_s_boxes_are_mapped_to_the_image() -> None:
    boxes = np.array([[0, 0, 100, 100], [50, 10, 60, 20]], np.float32)
    mapped = from_view(boxes, np.array([200, 50, 400, 100]), SPEC)
    assert mapped.tolist() == [[200, 50, 400, 100], [300, 55, 320, 60]]


def test_only_borders_inside_the_image_cut_boxes() -> None:
    view, size = np.array([0, 75, 100, 175]), (300, 300)
    boxes = np.array([[0, 90, 40, 120], [40, 90, 99.5, 120], [40, 75, 60, 90], [40, 150, 60, 174.5]], np.float32)
    assert is_cut(boxes, view, size).tolist() == [0, 1, 1, 1]


def test_one_view_gives_what_the_whole_image_gives() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 80, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 40, (40, 2))], axis=1).astype(np.float32)
    scores = np.sort(rng.uniform(0, 1, 40).astype(np.float32))[::-1].copy()
    candidates = ImageCandidates(boxes, scores, rng.integers(0, 3, 40).astype(np.int32))
    wanted = postprocess(candidates, OPTIONS, SPEC, (80, 90))
    merged = merge_views([candidates], views_of((80, 90), (100, 100)), OPTIONS, SPEC, (80, 90))
    np.testing.assert_allclose(merged.boxes, wanted.boxes, rtol=1e-5)
    np.testing.assert_allclose(merged.scores, wanted.scores, rtol=1e-5)
    assert merged.labels.tolist() == wanted.labels.tolist()


SIZE = (100, 175)  # two tiles, from 0 to 100 and from 75 to 175, behind the whole image
NOTHING = found()


def merged_boxes(whole: ImageCandidates, first: ImageCandidates, second: ImageCandidates) -> list[list[float]]:
    views = views_of(SIZE, (100, 100))
    assert views.tolist() == [[0, 0, 175, 100], [0, 0, 100, 100], [75, 0, 175, 100]]
    merged = merge_views([whole, first, second], views, OPTIONS, SPEC, SIZE)
    rows: list[list[float]] = np.round(merged.boxes, 1).tolist()
    return rows


def test_an_object_in_two_tiles_is_one_detection() -> None:
    assert merged_boxes(NOTHING, found((80, 10, 98, 30)), found((5, 10, 23, 30))) == [[80, 10, 98, 30]]


def test_the_cut_part_of_an_object_that_another_tile_holds_is_left_out() -> None:
    assert merged_boxes(NOTHING, found((90, 10, 100, 30)), found((15, 10, 33, 30))) == [[90, 10, 108, 30]]


def test_a_cut_box_that_nothing_covers_stays() -> None:
    assert merged_boxes(NOTHING, found((90, 10, 100, 30)), NOTHING) == [[90, 10, 100, 30]]
    assert len(merged_boxes(NOTHING, found((90, 10, 100, 30)), found((15, 10, 33, 30), label=1))) == 2


def test_an_object_larger_than_a_tile_comes_from_the_whole_image() -> None:
    whole = found((10, 10, 90, 90))
    assert merged_boxes(whole, found((17, 10, 100, 90)), found((0, 10, 82, 90))) == [[17.5, 10, 157.5, 90]]


def test_a_tile_s_box_is_preferred_to_the_whole_image_s() -> None:
    assert merged_boxes(found((10, 10, 20, 25), score=0.99), found((18, 12, 34, 26)), NOTHING) == [[18, 12, 34, 26]]


def test_no_candidates_give_no_detections() -> None:
    assert merged_boxes(NOTHING, NOTHING, NOTHING) == []


def test_without_nms_the_candidates_fall_in_score() -> None:
    options = Options(method=None, sigma=0.5, iou_threshold=0.45, score_threshold=0.3, max_detections=100)
    parts = [NOTHING, found((1, 1, 9, 9), score=0.5), found((40, 40, 60, 60), score=0.8)]
    merged = merge_views(parts, views_of(SIZE, (100, 100)), options, SPEC, SIZE)
    assert merged.scores.tolist() == pytest.approx([0.8, 0.5])


def test_covered_boxes_are_those_of_the_plain_loop() -> None:
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 60, (200, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 40, (200, 2))], axis=1).astype(np.float32)
    labels, steps = rng.integers(0, 2, 200).astype(np.int32), rng.integers(0, 3, 200)
    covered = is_covered(boxes, labels, steps, MIN_COVER).tolist()
    assert covered == covers(boxes, labels, steps)
    assert 0 < sum(covered) < 200
