"""Soft-NMS (Bodla et al. 2017, "Soft-NMS: Improving Object Detection With One Line of Code"), class by class."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.compiled import compiled

Method = Literal["gaussian", "linear", "hard"]
METHOD_CODES: dict[Method, int] = {"hard": 0, "linear": 1, "gaussian": 2}


def soft_nms(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    labels: NDArray[np.int32],
    *,
    method: Method,
    sigma: float,
    iou_threshold: float,
    score_threshold: float | NDArray[np.float64],
    max_detections: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """boxes (N, 4) xyxy, scores (N,), labels (N,) -> kept (D,) indices into N, best first, and their decayed scores
    (D,).

    Each step keeps the best remaining box and decays the scores of the other boxes of its label: gaussian by
    exp(-iou²/sigma), linear by 1 - iou if iou > iou_threshold, hard to 0 if iou > iou_threshold. Boxes have no +1 width
    and scores never rise. A box whose score falls below score_threshold, or to 0, is removed. Equal scores keep the
    order of the input.
    """
    kept, kept_scores = _decay_and_pick(
        np.ascontiguousarray(boxes, np.float32),
        np.ascontiguousarray(scores, np.float32),
        np.ascontiguousarray(labels, np.int32),
        METHOD_CODES[method],
        sigma,
        iou_threshold,
        np.full(len(scores), score_threshold, np.float64),
        max_detections,
    )
    return kept, kept_scores


@compiled
def _decay_and_pick(
    boxes: Any, scores: Any, labels: Any, method: int, sigma: float, iou_threshold: float, thresholds: Any, limit: int
) -> Any:
    num_boxes = len(scores)
    left = np.empty(num_boxes, np.int64)  # indices of the remaining boxes, in the order of the input
    decayed = scores.astype(np.float64)
    num_left = 0
    for i in range(num_boxes):
        if decayed[i] > 0 and decayed[i] >= thresholds[i]:
            left[num_left] = i
            num_left += 1
    kept = np.empty(min(num_left, limit), np.int64)
    kept_scores = np.empty(min(num_left, limit), np.float32)
    num_kept = 0
    while num_left > 0 and num_kept < len(kept):
        best = 0
        for k in range(1, num_left):
            if decayed[left[k]] > decayed[left[best]]:
                best = k
        i = left[best]
        kept[num_kept] = i
        kept_scores[num_kept] = decayed[i]
        num_kept += 1
        area = (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])
        still_left = 0
        for k in range(num_left):
            j = left[k]
            if j == i:
                continue
            if labels[j] == labels[i]:
                width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
                height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
                if width > 0 and height > 0:
                    overlap = width * height
                    other = (boxes[j, 2] - boxes[j, 0]) * (boxes[j, 3] - boxes[j, 1])
                    iou = overlap / (area + other - overlap)
                    if method == 2:
                        decayed[j] *= np.exp(-iou * iou / sigma)
                    elif iou > iou_threshold:
                        decayed[j] *= 1 - iou if method == 1 else 0.0
            if decayed[j] > 0 and decayed[j] >= thresholds[j]:
                left[still_left] = j
                still_left += 1
        num_left = still_left
    return kept[:num_kept], kept_scores[:num_kept]
