"""Average precision of Pascal VOC (Everingham et al. 2010): each detection claims the object with the highest IoU."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.detection.iou import iou

Float = NDArray[np.floating]
AreaRange = tuple[float, float]

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
    results: Sequence[ImageResult], num_classes: int, iou_threshold: float = 0.5, area_range: AreaRange | None = None
) -> list[ClassResult]:
    """AP of each class at one IoU threshold, for all objects or for those with an area in a range.

    As in MS COCO, objects outside the range count as difficult, and a detection outside it that claims no object is not
    an error.
    """
    return [_of_class(results, label, iou_threshold, area_range or (0.0, float("inf"))) for label in range(num_classes)]


def mean_ap(per_class: Sequence[ClassResult]) -> float:
    """The mean of the all-point AP over the classes with objects; nan if no class has any."""
    known = [result.all_points for result in per_class if result.num_objects]
    return float(np.mean(known)) if known else float("nan")


def _of_class(results: Sequence[ImageResult], label: int, iou_threshold: float, area_range: AreaRange) -> ClassResult:
    scores, hits = [], []  # a hit is 1, a miss 0; a detection of a difficult object is neither
    num_objects = 0
    for result in results:
        of_class, found = result.gt_labels == label, result.labels == label
        if not of_class.any() and not found.any():
            continue
        gt_boxes = result.gt_boxes[of_class]
        is_difficult = result.is_difficult[of_class] | ~in_range(gt_boxes, area_range)
        num_objects += int((~is_difficult).sum())
        own_scores = result.scores[found]
        order = np.argsort(-own_scores, kind="stable")
        boxes = result.boxes[found][order]
        counts_as_miss = in_range(boxes, area_range)
        is_claimed = np.zeros(len(gt_boxes), dtype=bool)
        for n, (row, score) in enumerate(zip(iou(boxes, gt_boxes), own_scores[order], strict=True)):
            best = int(row.argmax()) if len(row) else -1
            if best >= 0 and row[best] >= iou_threshold:
                if is_difficult[best]:
                    continue
                hits.append(0.0 if is_claimed[best] else 1.0)
                is_claimed[best] = True
            elif counts_as_miss[n]:
                hits.append(0.0)
            else:
                continue
            scores.append(float(score))
    if num_objects == 0:
        return ClassResult(float("nan"), float("nan"), 0)
    by_score = np.argsort(-np.array(scores), kind="stable")
    true_positives = np.cumsum(np.array(hits)[by_score])
    recall = true_positives / num_objects
    precision = true_positives / np.arange(1, len(hits) + 1)
    return ClassResult(all_point_area(recall, precision), eleven_point_area(recall, precision), num_objects)


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
