"""How the boxes of the views of an image are merged."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.merge import MIN_COVER, MIN_SCORE_SHARE, from_view, is_covered, is_cut, merge_views
from service.detection.postprocess import Options, postprocess
from service.detection.tiles import views_of
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


def covers(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int32],
    steps: NDArray[np.int64],
    views: NDArray[np.int64],
    numbers: NDArray[np.int64],
) -> list[bool]:
    """The plain loop: step by step, each box against those of earlier steps that are still there.

    `numbers` (N,) say which of the views each box is from.
    """
    covered = [False] * len(boxes)
    for step in (1, 2):
        for i in np.flatnonzero(steps == step):
            area = shared(boxes[i], boxes[i])
            for j in np.flatnonzero(steps < step):
                same = labels[i] == labels[j] and shared(views[numbers[i]], views[numbers[j]]) > 0
                is_witness = same and not covered[j] and scores[j] >= MIN_SCORE_SHARE * scores[i]
                covered[i] |= bool(is_witness and shared(boxes[i], boxes[j]) >= MIN_COVER * area)
    return covered


def shared(a: NDArray[np.float32] | NDArray[np.int64], b: NDArray[np.float32] | NDArray[np.int64]) -> float:
    """The area that two boxes xyxy have in common."""
    (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = a.tolist(), b.tolist()
    return float(max(0.0, min(ax2, bx2) - max(ax1, bx1)) * max(0.0, min(ay2, by2) - max(ay1, by1)))


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
    views = views_of((100, 250), (100, 100))
    numbers = np.sort(rng.integers(0, len(views), 300))
    boxes, scores, labels = random_boxes(rng, 300, 220), rng.uniform(0, 1, 300).astype(np.float32), numbers % 2
    steps, ends = rng.integers(0, 3, 300), np.searchsorted(numbers, np.arange(len(views)), side="right")
    covered = is_covered(boxes, scores, labels, steps, views, ends).tolist()
    assert covered == covers(boxes, scores, labels.astype(np.int32), steps, views, numbers)
    assert 0 < sum(covered) < 200


def test_a_box_of_less_than_half_the_score_covers_no_other() -> None:
    whole, weak = found((10, 10, 20, 25), score=0.99), found((18, 12, 34, 26), score=0.49)
    assert merged_boxes(whole, weak, NOTHING) == [[17.5, 10, 35, 25]]


def random_boxes(rng: np.random.Generator, count: int, most: float) -> NDArray[np.float32]:
    corners = rng.uniform(0, (most, 60), (count, 2))
    return np.concatenate([corners, corners + rng.uniform(1, 40, (count, 2))], axis=1).astype(np.float32)


def random_parts(seed: int, count: int = 80) -> list[ImageCandidates]:
    """As an engine gives them for the views of an image of SIZE: by falling score, and many of them nearly the same."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.uniform(0, 1, (3, count)).astype(np.float32))[:, ::-1]
    labels = rng.integers(0, 2, (3, count)).astype(np.int32)
    return [ImageCandidates(random_boxes(rng, count, 60), scores[view].copy(), labels[view]) for view in range(3)]


@pytest.mark.parametrize("max_candidates", [None, 100])
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.6])
def test_candidates_ranked_by_soft_nms_are_what_the_merging_with_nms_gives(
    threshold: float, max_candidates: int | None
) -> None:
    """A page gets the candidates once, with the lowest threshold, and ranks them at each move of a slider."""
    parts, views = random_parts(2), views_of(SIZE, (100, 100))
    wanted = replace(OPTIONS, score_threshold=threshold)
    unranked = replace(OPTIONS, method=None, score_threshold=0.05, max_detections=1000)
    candidates = merge_views(parts, views, unranked, SPEC, SIZE, max_candidates=max_candidates)
    own_pixels = InputSpec(height=SIZE[0], width=SIZE[1], resize="stretch")
    ranked = postprocess(
        ImageCandidates(candidates.boxes, candidates.scores, candidates.labels), wanted, own_pixels, SIZE
    )
    merged = merge_views(parts, views, wanted, SPEC, SIZE, max_candidates=max_candidates)
    assert len(merged) > 10
    np.testing.assert_array_equal(ranked.boxes, merged.boxes)
    np.testing.assert_array_equal(ranked.scores, merged.scores)
    np.testing.assert_array_equal(ranked.labels, merged.labels)


def test_boxes_of_a_view_that_are_nearly_the_same_are_one_candidate() -> None:
    options = replace(OPTIONS, method=None)
    tile = found((80, 10, 98, 30), (80, 10, 98, 31), (80, 10, 98, 45))
    merged = merge_views([NOTHING, tile, NOTHING], views_of(SIZE, (100, 100)), options, SPEC, SIZE)
    assert merged.boxes.tolist() == [[80, 10, 98, 30], [80, 10, 98, 45]]


def test_only_the_best_candidates_of_all_views_take_part() -> None:
    parts, views = random_parts(3), views_of(SIZE, (100, 100))
    options = replace(OPTIONS, method=None, score_threshold=0.0, max_detections=1000)
    everything = merge_views(parts, views, options, SPEC, SIZE)
    few = merge_views(parts, views, options, SPEC, SIZE, max_candidates=20)
    assert 0 < len(few) <= 20
    assert few.scores.min() >= np.sort(np.concatenate([part.scores for part in parts]))[-20]
    assert few.scores[0] == everything.scores[0]


def test_each_view_may_add_to_the_number_of_detections() -> None:
    parts, views = random_parts(4), views_of(SIZE, (100, 100))
    for is_limit_per_view, wanted in ((False, 4), (True, 12)):
        options = replace(OPTIONS, max_detections=4, is_limit_per_view=is_limit_per_view)
        assert len(merge_views(parts, views, options, SPEC, SIZE)) == wanted
