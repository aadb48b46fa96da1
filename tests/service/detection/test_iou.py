"""Intersection over union against plain loops."""

import numpy as np

from service.detection.iou import iou
from tests.models import oracles


def test_iou_equals_that_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    boxes, others = (rng.uniform(0, 50, (n, 4)) + np.array([0, 0, 20, 20]) for n in (7, 5))
    boxes[0, 2:] = boxes[0, :2]
    expected = [[oracles.iou(tuple(a), tuple(b)) for b in others.tolist()] for a in boxes.tolist()]
    np.testing.assert_allclose(iou(boxes, others), expected, atol=1e-12)


def test_boxes_without_area_overlap_nothing() -> None:
    empty = np.array([[5, 5, 5, 5], [9, 9, 3, 3]], np.float32)
    assert iou(empty, empty).tolist() == [[0, 0], [0, 0]]


def test_iou_in_float32_equals_that_of_plain_loops() -> None:
    rng = np.random.default_rng(0)
    boxes = (rng.uniform(0, 50, (20, 4)) + np.array([0, 0, 50, 50])).astype(np.float32)
    window = np.array([20, 20, 70, 80], np.float32)
    expected = [oracles.iou(tuple(box), tuple(window.tolist())) for box in boxes.tolist()]
    found = iou(boxes, window[None])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5)
