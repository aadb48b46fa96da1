"""The large picture and its count of found objects."""

import numpy as np

from comparison.mosaic import num_hits, report
from models.evaluation.average_precision import ImageResult


def found(*rows: tuple[float, float, float, float, int], score: float = 1.0) -> ImageResult:
    """Detections beside three objects."""
    boxes = np.array([row[:4] for row in rows], np.float32).reshape(-1, 4)
    labels = np.array([row[4] for row in rows], np.int32)
    objects = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    scores = np.full(len(rows), score, np.float32)
    return ImageResult(boxes, scores, labels, objects, np.array([0, 0, 1]), np.zeros(3, np.bool_))


def test_each_detection_finds_one_object_of_its_label() -> None:
    assert num_hits(found((0, 0, 10, 10, 0))) == 1
    assert num_hits(found((0, 0, 10, 10, 0), (0, 0, 10, 10, 0))) == 2
    assert num_hits(found((50, 50, 60, 60, 0))) == 0
    assert num_hits(found((50, 50, 60, 60, 1), (80, 80, 90, 90, 1))) == 1
    assert num_hits(found()) == 0


def test_weak_detections_count_only_in_the_average_precision() -> None:
    rows = (0, 0, 10, 10, 0), (1, 0, 11, 10, 0), (50, 50, 60, 60, 1)
    weak = report([found(*rows, score=0.3)], 0.45)
    assert weak == "0 of 3 objects found (recall 0.000) in 0 detections (precision 0.000), AP50 1.000"
    assert "3 of 3 objects found (recall 1.000) in 3 detections" in report([found(*rows)], 0.45)
