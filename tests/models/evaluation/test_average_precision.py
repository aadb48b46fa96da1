"""Average precision: equality with plain loops, and hand-made cases."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.average_precision import (
    AREA_RANGES,
    ImageResult,
    average_precision,
    eleven_point_area,
    in_range,
    mean_ap,
)
from tests.models import oracles


def result(
    detections: list[tuple[float, list[float]]],
    objects: list[list[float]],
    labels: list[int] | None = None,
    difficult: list[bool] | None = None,
    found_labels: list[int] | None = None,
) -> ImageResult:
    """One image: detections (score, box) and objects; the default class is 0."""
    return ImageResult(
        boxes=np.array([box for _, box in detections], np.float32).reshape(-1, 4),
        scores=np.array([score for score, _ in detections], np.float32),
        labels=np.array(found_labels or [0] * len(detections), np.int32),
        gt_boxes=np.array(objects, np.float32).reshape(-1, 4),
        gt_labels=np.array(labels or [0] * len(objects), np.int64),
        is_difficult=np.array(difficult or [False] * len(objects), bool),
    )


A, B, FAR = [0.0, 0, 10, 10], [50.0, 50, 70, 70], [200.0, 200, 210, 210]


def random_results(seed: int) -> list[ImageResult]:
    """Images of two classes with noisy detections of their objects, false detections and difficult objects."""
    rng = np.random.default_rng(seed)
    results = []
    for _ in range(6):
        count = int(rng.integers(0, 6))
        low = rng.uniform(0, 80, (count, 2))
        gt_boxes = np.concatenate([low, low + rng.uniform(10, 40, (count, 2))], axis=1).astype(np.float32)
        repeated = np.repeat(gt_boxes, 2, axis=0) + rng.normal(0, 4, (2 * count, 4))
        false = rng.uniform(0, 50, (3, 4)) + np.array([0, 0, 50, 50])
        boxes = np.concatenate([repeated, false]).astype(np.float32)
        results.append(
            ImageResult(
                boxes=boxes,
                scores=rng.permutation(np.linspace(0.1, 0.9, len(boxes))) + rng.uniform(0, 0.001),
                labels=rng.integers(0, 2, len(boxes)),
                gt_boxes=gt_boxes,
                gt_labels=rng.integers(0, 2, count),
                is_difficult=rng.random(count) < 0.2,
            )
        )
    return results


def tuples(boxes: NDArray[np.floating]) -> list[oracles.Box]:
    return [tuple(box) for box in boxes.tolist()]


@pytest.mark.parametrize("area_range", [(0, math.inf), (0, 400), (400, 900)])
@pytest.mark.parametrize("iou_threshold", [0.5, 0.7])
@pytest.mark.parametrize("seed", range(6))
def test_ap_equals_that_of_plain_loops(seed: int, iou_threshold: float, area_range: tuple[float, float]) -> None:
    results = random_results(seed)
    for label, found in enumerate(average_precision(results, 2, iou_threshold, area_range)):
        detections = [
            (image, score, box)
            for image, r in enumerate(results)
            for score, box, own in zip(r.scores.tolist(), tuples(r.boxes), r.labels, strict=True)
            if own == label
        ]
        objects = [
            (image, box, bool(difficult))
            for image, r in enumerate(results)
            for box, own, difficult in zip(tuples(r.gt_boxes), r.gt_labels, r.is_difficult, strict=True)
            if own == label
        ]
        if found.num_objects == 0:
            assert math.isnan(found.all_points)
            continue
        expected = oracles.average_precision(detections, objects, iou_threshold, area_range)
        assert (found.all_points, found.eleven_points) == pytest.approx(expected, abs=1e-12)


def test_ap_is_1_if_all_objects_are_found_without_errors() -> None:
    [found] = average_precision([result([(0.9, A), (0.8, B)], [A, B])], 1)
    assert (found.all_points, found.eleven_points, found.num_objects) == (1, 1, 2)


def test_ap_is_0_without_detections() -> None:
    [found] = average_precision([result([], [A, B])], 1)
    assert (found.all_points, found.eleven_points) == (0, 0)


def test_a_class_without_objects_has_no_ap_and_is_not_in_the_mean() -> None:
    found = average_precision([result([(0.9, A), (0.5, B)], [A], found_labels=[0, 1])], 2)
    assert math.isnan(found[1].all_points)
    assert mean_ap(found) == 1
    assert math.isnan(mean_ap(average_precision([result([], [])], 2)))


def test_a_second_detection_of_an_object_is_an_error() -> None:
    [found] = average_precision([result([(0.9, A), (0.8, A), (0.7, B)], [A, B])], 1)
    assert found.all_points == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)


def test_a_detection_claims_the_object_with_the_highest_iou_even_if_it_is_claimed() -> None:
    near = [0.0, 0, 10, 9]
    [found] = average_precision([result([(0.9, A), (0.8, A)], [A, near])], 1)
    assert found.all_points == pytest.approx(0.5)


def test_a_difficult_object_counts_neither_for_nor_against() -> None:
    [found] = average_precision([result([(0.9, A), (0.8, A), (0.7, B)], [A, B], difficult=[True, False])], 1)
    assert (found.all_points, found.num_objects) == (1, 1)
    [found] = average_precision([result([(0.7, B)], [A, B], difficult=[True, False])], 1)
    assert found.all_points == 1


def test_detections_in_an_image_without_objects_are_errors() -> None:
    [found] = average_precision([result([(0.9, A)], []), result([(0.8, A)], [A])], 1)
    assert found.all_points == pytest.approx(0.5)


def test_an_iou_of_exactly_the_threshold_counts() -> None:
    half = [0.0, 0, 10, 5]
    assert average_precision([result([(0.9, half)], [A])], 1, 0.5)[0].all_points == 1
    assert average_precision([result([(0.9, half)], [A])], 1, 0.51)[0].all_points == 0


@pytest.mark.parametrize("tenths", range(11))
def test_a_recall_of_exactly_n_tenths_reaches_that_point(tenths: int) -> None:
    """In floating point 3 * 0.1 is above 3 / 10; a recall of 3 / 10 must still reach the point."""
    recall = np.array([found / 10 for found in range(1, tenths + 1)])
    assert eleven_point_area(recall, np.ones(tenths)) == pytest.approx((tenths + 1) / 11 if tenths else 0)


def test_sizes_are_split_at_64_and_192_pixels() -> None:
    """PASSD §7.1.1."""
    boxes = np.array([[0, 0, 63, 64], [0, 0, 64, 64], [0, 0, 192, 191], [0, 0, 192, 192]], float)
    split = {name: in_range(boxes, area_range).tolist() for name, area_range in AREA_RANGES.items()}
    assert split == {
        "S": [True, False, False, False],
        "M": [False, True, True, False],
        "L": [False, False, False, True],
    }


def test_detecting_a_large_object_is_not_an_error_in_the_ap_of_small_ones() -> None:
    small, large = [0.0, 0, 10, 10], [0.0, 0, 300, 300]
    image = result([(0.9, large), (0.8, small)], [small, large])
    assert [
        average_precision([image], 1, area_range=r)[0].all_points for r in (AREA_RANGES["S"], AREA_RANGES["L"])
    ] == [1, 1]
    missing = result([(0.9, [0.0, 0, 250, 250]), (0.8, small)], [small])
    assert average_precision([missing], 1, area_range=AREA_RANGES["S"])[0].all_points == 1
    assert average_precision([missing], 1)[0].all_points == 0.5
