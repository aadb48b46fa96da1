"""Precision, recall and F1 by score threshold: equality with counting at each threshold, and hand-made cases."""

import numpy as np
import pytest

from models.evaluation.average_precision import Curve, curve
from models.evaluation.thresholds import THRESHOLDS, best_common, operating_points
from tests.models.evaluation.test_average_precision import FAR, A, B, random_results, result


@pytest.mark.parametrize("seed", range(3))
def test_points_equal_those_counted_at_each_threshold(seed: int) -> None:
    results = random_results(seed)
    of_class = curve(results, 0)
    points = operating_points(of_class)
    for n in (0, 20, 50, 98):
        is_kept = of_class.scores >= THRESHOLDS[n]
        num_found, num_kept = of_class.is_hit[is_kept].sum(), is_kept.sum()
        precision = num_found / num_kept if num_kept else 1
        recall = num_found / of_class.num_objects
        assert (points.precision[n], points.recall[n]) == pytest.approx((precision, recall))
        assert points.f1[n] == pytest.approx(2 * precision * recall / (precision + recall) if num_found else 0)


def test_the_best_threshold_keeps_the_right_detections_and_drops_the_errors() -> None:
    image = result([(0.9, A), (0.6, B), (0.4, FAR)], [A, B])
    points = operating_points(curve([image], 0))
    assert THRESHOLDS[points.best] == pytest.approx(0.41)
    assert (points.f1[points.best], points.precision[0], points.recall[0]) == (1, pytest.approx(2 / 3), 1)


def test_a_score_of_exactly_the_threshold_counts() -> None:
    points = operating_points(Curve(np.array([0.5]), np.array([True]), 1))
    assert (points.recall[49], points.recall[50]) == (1, 0)


def test_classes_without_objects_do_not_choose_the_common_threshold() -> None:
    absent = operating_points(Curve(np.array([0.9]), np.array([False]), 0))
    present = operating_points(Curve(np.array([0.8, 0.3]), np.array([True, False]), 1))
    assert np.isnan(absent.f1).all()
    assert THRESHOLDS[best_common([absent, present])] == pytest.approx(0.31)
    assert best_common([absent]) == 0
