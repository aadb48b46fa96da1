"""Scenes for the tests of augmentation: rectangles whose boxes can be measured in the pixels again."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.data.data_set import Boxes, Image

RED, GREEN = 1, 0
COLOURS = {RED: (255, 0, 0), GREEN: (0, 255, 0)}


def scene(seed: int) -> tuple[Image, Boxes, NDArray[np.int64]]:
    """A 120 x 160 image with a red rectangle on the left and a green one on the right."""
    rng = np.random.default_rng(seed)
    image = np.full((120, 160, 3), 90, np.uint8)
    boxes = []
    for side, colour in ((0, RED), (1, GREEN)):
        w, h = rng.integers(20, 60, 2)
        x1, y1 = side * 80 + rng.integers(81 - w), rng.integers(121 - h)
        image[y1 : y1 + h, x1 : x1 + w] = COLOURS[colour]
        boxes.append((x1, y1, x1 + w, y1 + h))
    return image, np.array(boxes, np.float32), np.array([RED, GREEN])


def visible(image: Image, label: int) -> list[float] | None:
    """The box around the pixels of one colour; None if there are no such pixels."""
    distance = np.abs(image.astype(int) - COLOURS[label]).max(axis=2)
    rows, columns = np.nonzero(distance < 100)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else None


def assert_on_objects(image: Image, boxes: Boxes, labels: NDArray[np.int64], tolerance: float) -> None:
    """Each box is that of the pixels of its label's colour, within `tolerance` pixels."""
    for box, label in zip(boxes, labels, strict=True):
        assert visible(image, label) == pytest.approx(box.tolist(), abs=tolerance)
