"""The large picture and its count of found objects."""

import numpy as np

from comparison.mosaic import num_hits
from service.detect.detector import Found
from service.detection.postprocess import Detections


def found(*rows: tuple[float, float, float, float, int]) -> Found:
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    labels = np.array([row[4] for row in rows], np.int32)
    return Found(Detections(boxes, np.ones(len(rows), np.float32), labels), 100, 100, 100)


def test_each_detection_finds_one_object_of_its_label() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    labels = np.array([0, 0, 1])
    assert num_hits(found((0, 0, 10, 10, 0)), boxes, labels) == 1
    assert num_hits(found((0, 0, 10, 10, 0), (0, 0, 10, 10, 0)), boxes, labels) == 2
    assert num_hits(found((50, 50, 60, 60, 0)), boxes, labels) == 0
    assert num_hits(found((50, 50, 60, 60, 1), (80, 80, 90, 90, 1)), boxes, labels) == 1
    assert num_hits(found(), boxes, labels) == 0
