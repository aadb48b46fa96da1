"""Soft-NMS against a plain-loop oracle and against the numbers of its paper."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.compiled import compiled
from service.detection.soft_nms import Method, soft_nms

SEQUENCE_BOXES = np.array([[0, 0, 100, 100], [0, 50, 100, 150], [0, 0, 100, 80], [200, 200, 300, 300]], np.float32)
SEQUENCE_SCORES = np.array([0.95, 0.80, 0.90, 0.50], np.float32)


def plain_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - overlap)


def plain_soft_nms(
    boxes: list[list[float]],
    scores: list[float],
    labels: list[int],
    method: Method,
    sigma: float,
    iou_threshold: float,
    score_threshold: float,
) -> list[tuple[int, float]]:
    """Bodla et al. 2017, figure 2, word for word."""
    left = {i: score for i, score in enumerate(scores) if score > 0 and score >= score_threshold}
    kept = []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        kept.append((best, left.pop(best)))
        for i in left:
            if labels[i] != labels[best]:
                continue
            iou = plain_iou(boxes[best], boxes[i])
            if method == "gaussian":
                left[i] *= float(np.exp(-(iou**2) / sigma))
            elif iou > iou_threshold:
                left[i] *= 1 - iou if method == "linear" else 0
        left = {i: score for i, score in left.items() if score > 0 and score >= score_threshold}
    return kept


def run(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    method: Method,
    labels: NDArray[np.int32] | None = None,
    *,
    iou_threshold: float = 0.3,
    score_threshold: float = 0.001,
    max_detections: int = 1000,
) -> tuple[list[int], list[float]]:
    kept, kept_scores = soft_nms(
        boxes,
        scores,
        np.zeros(len(scores), np.int32) if labels is None else labels,
        method=method,
        sigma=0.5,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
        max_detections=max_detections,
    )
    return kept.tolist(), kept_scores.tolist()


@pytest.mark.parametrize(
    ("iou", "method", "expected"),
    [
        (0.5, "hard", None),
        (0.5, "linear", 0.40),
        (0.5, "gaussian", 0.4852245),
        (0.3, "gaussian", 0.6682162),
        (0.75, "linear", 0.20),
        (0.75, "gaussian", 0.2597220),
    ],
)
def test_the_other_box_decays_as_in_the_papers_figure_1(iou: float, method: Method, expected: float | None) -> None:
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 100 * iou]], np.float32)
    kept, scores = run(boxes, np.array([0.95, 0.80], np.float32), method)
    if expected is None:
        assert kept == [0]
    else:
        assert kept == [0, 1]
        assert scores[1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("method", ["linear", "hard"])
def test_an_iou_that_equals_the_threshold_changes_nothing(method: Method) -> None:
    boxes = np.array([[0, 0, 100, 100], [0, 0, 100, 50]], np.float32)
    _, scores = run(boxes, np.array([0.95, 0.80], np.float32), method, iou_threshold=0.5)
    assert scores == pytest.approx([0.95, 0.80])


@pytest.mark.parametrize(
    ("method", "kept", "scores"),
    [
        ("hard", [0, 3], [0.95, 0.50]),
        ("linear", [0, 1, 3, 2], [0.95, 0.533333, 0.50, 0.18]),
        ("gaussian", [0, 1, 3, 2], [0.95, 0.640590, 0.50, 0.230995]),
    ],
)
def test_boxes_are_picked_and_decayed_repeatedly(method: Method, kept: list[int], scores: list[float]) -> None:
    got_kept, got_scores = run(SEQUENCE_BOXES, SEQUENCE_SCORES, method)
    assert got_kept == kept
    assert got_scores == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("method", get_args(Method))
def test_boxes_of_different_labels_do_not_affect_each_other(method: Method) -> None:
    kept, scores = run(SEQUENCE_BOXES, SEQUENCE_SCORES, method, np.arange(4, dtype=np.int32))
    assert kept == [0, 2, 1, 3]
    assert scores == pytest.approx([0.95, 0.90, 0.80, 0.50])


def test_no_box_gives_no_detection() -> None:
    assert run(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), "gaussian") == ([], [])


def test_padding_rows_are_never_detections() -> None:
    assert run(np.zeros((3, 4), np.float32), np.zeros(3, np.float32), "gaussian", score_threshold=0.0) == ([], [])


def test_a_box_without_area_overlaps_nothing() -> None:
    boxes = np.array([[5, 5, 5, 5], [0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    _, scores = run(boxes, np.array([0.9, 0.8, 0.7], np.float32), "gaussian")
    assert scores == pytest.approx([0.9, 0.8, 0.7])


def test_no_more_than_max_detections_are_kept() -> None:
    assert run(SEQUENCE_BOXES, SEQUENCE_SCORES, "gaussian", max_detections=2)[0] == [0, 1]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_method_equals_the_plain_loop(data: st.DataObject) -> None:
    num_boxes = data.draw(st.integers(0, 12))
    corners = st.integers(0, 8)
    boxes = []
    for _ in range(num_boxes):
        x, y = data.draw(corners), data.draw(corners)
        boxes.append([float(x), float(y), float(x + data.draw(corners)), float(y + data.draw(corners))])
    scores = [data.draw(st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.50390625, 0.9, 1.0])) for _ in boxes]
    labels = [data.draw(st.integers(0, 1)) for _ in boxes]
    method: Method = data.draw(st.sampled_from(get_args(Method)))
    iou_threshold = data.draw(st.sampled_from([0.0, 0.29, 0.61, 1.0]))
    score_threshold = data.draw(st.sampled_from([0.0, 0.01, 0.31]))

    float_scores = np.array(scores, np.float32)
    kept, kept_scores = run(
        np.array(boxes, np.float32).reshape(-1, 4),
        float_scores,
        method,
        np.array(labels, np.int32),
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
    )

    expected = plain_soft_nms(boxes, float_scores.tolist(), labels, method, 0.5, iou_threshold, score_threshold)
    assert kept_scores == pytest.approx([score for _, score in expected], abs=1e-5)
    assert sorted(kept) == sorted(i for i, _ in expected)
    assert kept_scores == sorted(kept_scores, reverse=True)
    assert all(score <= float_scores[i] for i, score in zip(kept, kept_scores, strict=True))


def test_code_that_cannot_be_cached_on_disk_is_still_compiled() -> None:
    namespace: dict[str, Any] = {}
    exec("def double(x): return 2 * x", namespace)  # a function without a file has nowhere to keep its machine code
    assert compiled(namespace["double"])(3) == 6
