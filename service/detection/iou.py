"""Intersection over union of boxes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def iou(boxes: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """boxes (N, 4) and others (M, 4), xyxy, each x2 - x1 wide -> iou (N, M); 0 if both boxes have no area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    intersection = (high - low).clip(min=0).prod(axis=2)
    areas, other_areas = ((group[:, 2:] - group[:, :2]).clip(min=0).prod(axis=1) for group in (boxes, others))
    union = areas[:, None] + other_areas[None, :] - intersection
    return np.asarray(np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0))
