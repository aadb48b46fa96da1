"""Average precision of Pascal VOC (Everingham et al. 2010): each detection claims the object with the highest IoU."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.detection.iou import iou

Float = NDArray[np.floating]
AreaRange = tuple[float, float]
ALL_AREAS: AreaRange = (0.0, float("inf"))

# PASSD §7.1.1: small is below 64² pixels of the image, large above 192².
AREA_RANGES: dict[str, AreaRange] = {"S": (0.0, 64.0**2), "M": (64.0**2, 192.0**2), "L": (192.0**2, float("inf"))}


@dataclass(frozen=True)
class ImageResult:
    """Detections and objects of one image; boxes xyxy in pixels of the image.

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
    """AP of one class: over all points and over VOC 2007's eleven; nan if the data have no object of the class."""

    all_points: float
    eleven_points: float
    num_objects: int


def average_precision(
    results: Sequence[ImageResult], num_classes: int, iou_threshold: float = 0.5, area_range: AreaRange = ALL_AREAS
) -> list[ClassResult]:
    """AP of each class at one IoU threshold, for all objects or for those with an area in a range.

    As in MS COCO, objects outside the range count as difficult, and a detection outside it that claims no object is not
    an error.
    """
    return [_of_class(results, label, iou_threshold, area_range) for label in range(num_classes)]


def mean_ap(per_class: Sequence[ClassResult]) -> float:
    """The mean of the all-point AP over the classes with objects; nan if no class has any."""
    known = [result.all_points for result in per_class if result.num_objects]
    return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True)
class Curve:
    """The counted detections of one class by falling score: scores (P), is_hit (P)."""

    scores: Float
    is_hit: NDArray[np.bool_]
    num_objects: int

    @property
    def recall(self) -> Float:
        """(P): of the objects, the share that the detections down to this one find; nan if there are no objects."""
        found = np.cumsum(self.is_hit)
        return found / self.num_objects if self.num_objects else np.full(len(found), np.nan)

    @property
    def precision(self) -> Float:
        """(P): of the detections down to this one, the share that finds an object."""
        return np.asarray(np.cumsum(self.is_hit) / np.arange(1, len(self.is_hit) + 1))


def curve(
    results: Sequence[ImageResult], label: int, iou_threshold: float = 0.5, area_range: AreaRange = ALL_AREAS
) -> Curve:
    """Recall and precision of one class by score; for `area_range` see average_precision()."""
    scores, hits = [np.empty(0)], [np.empty(0, bool)]
    num_objects = 0
    for result in results:
        of_class, found = result.gt_labels == label, result.labels == label
        if not of_class.any() and not found.any():
            continue
        gt_boxes = result.gt_boxes[of_class]
        is_difficult = result.is_difficult[of_class] | ~in_range(gt_boxes, area_range)
        num_objects += int((~is_difficult).sum())
        order = np.argsort(-result.scores[found], kind="stable")
        boxes = result.boxes[found][order]
        objects, is_first = claim(boxes, gt_boxes, iou_threshold)
        is_counted = np.where(objects < 0, in_range(boxes, area_range), ~np.append(is_difficult, True)[objects])
        scores.append(result.scores[found][order][is_counted])
        hits.append(is_first[is_counted])
    by_score = np.argsort(-np.concatenate(scores), kind="stable")
    return Curve(np.concatenate(scores)[by_score], np.concatenate(hits)[by_score], num_objects)


def claim(boxes: Float, gt_boxes: Float, iou_threshold: float) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """boxes (D, 4) by falling score, gt_boxes (M, 4) of their class -> the claimed object (D), is_first (D).

    A detection claims the object with the highest IoU, if that reaches the threshold, else none: -1. The first
    detection that claims an object finds it; each further one is an error.
    """
    if not len(gt_boxes):
        return np.full(len(boxes), -1), np.zeros(len(boxes), bool)
    overlaps = iou(boxes, gt_boxes)
    best = overlaps.argmax(axis=1)
    objects = np.where(overlaps[np.arange(len(boxes)), best] >= iou_threshold, best, -1)
    is_first = np.zeros(len(boxes), bool)
    is_first[np.unique(objects, return_index=True)[1]] = True
    return objects, is_first & (objects >= 0)


def _of_class(results: Sequence[ImageResult], label: int, iou_threshold: float, area_range: AreaRange) -> ClassResult:
    of_class = curve(results, label, iou_threshold, area_range)
    if of_class.num_objects == 0:
        return ClassResult(float("nan"), float("nan"), 0)
    recall, precision = of_class.recall, of_class.precision
    return ClassResult(all_point_area(recall, precision), eleven_point_area(recall, precision), of_class.num_objects)


def in_range(boxes: Float, area_range: AreaRange) -> NDArray[np.bool_]:
    """Whether the area of each of boxes (N, 4) is at least the range's lower end and below its upper end -> (N)."""
    areas = (boxes[:, 2:] - boxes[:, :2]).clip(min=0).prod(axis=1)
    return np.asarray((areas >= area_range[0]) & (areas < area_range[1]))


def all_point_area(recall: Float, precision: Float) -> float:
    """The area under the precision's upper envelope (VOC 2010 on)."""
    recall = np.concatenate([[0.0], recall])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall) * envelope))


def eleven_point_area(recall: Float, precision: Float) -> float:
    """The mean, over the recalls 0, .1 … 1, of the best precision at this recall or a higher one (VOC 2007)."""
    points = [precision[recall >= point].max(initial=0.0) for point in np.arange(11) / 10]
    return float(np.mean(points))
