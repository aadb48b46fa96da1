"""Precision, recall and F1 of a class at each score threshold, and the threshold with the best F1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation.average_precision import Curve

THRESHOLDS = np.arange(1, 100) / 100
"""The score thresholds (S) that are compared: .01, .02 … .99."""


@dataclass(frozen=True)
class OperatingPoints:
    """Of one class at each of THRESHOLDS: precision (S), recall (S), f1 (S).

    Precision is 1 if nothing is detected; recall and F1 are nan if the class has no objects.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]

    @property
    def best(self) -> int:
        """The position of the threshold with the best F1: the lowest if several are equal."""
        return int(np.nan_to_num(self.f1).argmax())

    @property
    def is_useful(self) -> bool:
        """Whether the best threshold means anything: the class has objects, and some are found."""
        return bool(self.f1[self.best] > 0)


def operating_points(curve: Curve) -> OperatingPoints:
    """A detection counts if its score is at least the threshold."""
    num_detections = np.searchsorted(-curve.scores, -THRESHOLDS, side="right")
    num_found = np.concatenate([[0], np.cumsum(curve.is_hit)])[num_detections]
    precision = np.divide(num_found, num_detections, out=np.ones(len(THRESHOLDS)), where=num_detections > 0)
    if not curve.num_objects:
        unknown = np.full(len(THRESHOLDS), np.nan)
        return OperatingPoints(precision, unknown, unknown)
    # 2 P R / (P + R) = 2 found / (detections + objects)
    return OperatingPoints(
        precision, num_found / curve.num_objects, 2 * num_found / (num_detections + curve.num_objects)
    )


def best_common(points: Sequence[OperatingPoints]) -> int:
    """The position of the threshold with the best mean F1 over the classes with objects; 0 if no class has any."""
    return int(np.nan_to_num(mean_f1(points)).argmax())


def mean_f1(points: Sequence[OperatingPoints]) -> NDArray[np.float64]:
    """The mean F1 over the classes with objects (S); nan if no class has any."""
    known = [of_class.f1 for of_class in points if not np.isnan(of_class.f1).any()]
    return np.mean(known, axis=0) if known else np.full(len(THRESHOLDS), np.nan)
