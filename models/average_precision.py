"""Average precision as Pascal VOC measures it (Everingham et al. 2010): each detection claims the object it overlaps most."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating]


@dataclass(frozen=True)
class ImageResult:
    """What a detector found in one image, and what is there; boxes xyxy in pixels of the image.

    boxes (D, 4), scores (D), labels (D); gt_boxes (M, 4), gt_labels (M), is_difficult (M).
    """

    boxes: Float
    scores: Float
    labels: NDArray[np.integer]
    gt_boxes: Float
    gt_labels: NDArray[np.integer]
    is_difficult: NDArray[np.bool_]


@dataclass(frozen=True)
class ClassResult:
    """AP of one class: over all points and over VOC 2007's eleven; nan where the data have no such object."""

    all_points: float
    eleven_points: float
    num_objects: int


def average_precision(results: Sequence[ImageResult], num_classes: int, iou_threshold: float = 0.5) -> list[ClassResult]:
    """AP of each class at one IoU threshold."""
    return [_of_class(results, label, iou_threshold) for label in range(num_classes)]


def mean_ap(per_class: Sequence[ClassResult]) -> float:
    """The mean of the all-point AP over the classes that occur; nan where none does."""
    known = [result.all_points for result in per_class if result.num_objects]
    return float(np.mean(known)) if known else float("nan")


def _of_class(results: Sequence[ImageResult], label: int, iou_threshold: float) -> ClassResult:
    scores, hits = [], []  # a hit is 1, a miss 0; a detection of a difficult object counts as neither
    num_objects = 0
    for result in results:
        of_class = result.gt_labels == label
        gt_boxes, is_difficult = result.gt_boxes[of_class], result.is_difficult[of_class]
        num_objects += int((~is_difficult).sum())
        found = result.labels == label
        own_scores = result.scores[found]
        order = np.argsort(-own_scores, kind="stable")
        overlaps = pairwise_iou(result.boxes[found][order], gt_boxes)
        is_claimed = np.zeros(len(gt_boxes), dtype=bool)
        for row, score in zip(overlaps, own_scores[order], strict=True):
            best = int(row.argmax()) if len(row) else -1
            if best >= 0 and row[best] >= iou_threshold:
                if is_difficult[best]:
                    continue
                hits.append(0.0 if is_claimed[best] else 1.0)
                is_claimed[best] = True
            else:
                hits.append(0.0)
            scores.append(float(score))
    if num_objects == 0:
        return ClassResult(float("nan"), float("nan"), 0)
    by_score = np.argsort(-np.array(scores), kind="stable")
    true_positives = np.cumsum(np.array(hits)[by_score])
    recall = true_positives / num_objects
    precision = true_positives / np.arange(1, len(hits) + 1)
    return ClassResult(all_point_area(recall, precision), eleven_point_area(recall, precision), num_objects)


def all_point_area(recall: Float, precision: Float) -> float:
    """The area under the precision's upper envelope (VOC 2010 on)."""
    recall = np.concatenate([[0.0], recall])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope))


def eleven_point_area(recall: Float, precision: Float) -> float:
    """The mean over recalls 0, .1 … 1 of the best precision from there on (VOC 2007)."""
    points = [precision[recall >= point].max(initial=0.0) for point in np.arange(11) / 10]
    return float(np.mean(points))


def pairwise_iou(boxes: Float, others: Float) -> Float:
    """boxes (D, 4), others (M, 4) xyxy -> (D, M)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    intersection = (high - low).clip(min=0).prod(axis=2)
    areas, other_areas = ((b[:, 2:] - b[:, :2]).clip(min=0).prod(axis=1) for b in (boxes, others))
    union = areas[:, None] + other_areas[None, :] - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))
