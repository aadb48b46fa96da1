"""Detections as plain rows, for JSON: rounded numbers in the image's own pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.detection.postprocess import Detections


def rows_of(classes: Sequence[str], found: Detections) -> list[dict[str, Any]]:
    """Each detection as the `Detection` of an answer of /detect."""
    scores, boxes = rounded(found.scores, 6), rounded(found.boxes, 2)
    return [
        {"label": classes[label], "class_id": label, "score": score, "box": {"x1": x1, "y1": y1, "x2": x2, "y2": y2}}
        for label, score, (x1, y1, x2, y2) in zip(found.labels.tolist(), scores, boxes, strict=True)
    ]


def rounded(numbers: NDArray[np.float32], digits: int) -> list[Any]:
    """The numbers as nested lists with `digits` decimals; Python's `round` takes longer than all else in a row."""
    found: list[Any] = np.round(numbers.astype(np.float64), digits).tolist()
    return found
