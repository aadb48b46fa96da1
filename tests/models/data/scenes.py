"""Scenes for the tests of augmentation: rectangles whose boxes can be measured in the pixels again."""

import numpy as np
import pytest

from models.data.data_set import Image
from models.data.objects import Objects

RED, GREEN = 1, 0
COLOURS = {RED: (255, 0, 0), GREEN: (0, 255, 0)}


def scene(seed: int) -> tuple[Image, Objects]:
    """A 120 x 160 image with a red rectangle on the left and a green one on the right; both are also ignored areas."""
    rng = np.random.default_rng(seed)
    image = np.full((120, 160, 3), 90, np.uint8)
    boxes = []
    for side, colour in ((0, RED), (1, GREEN)):
        w, h = rng.integers(20, 60, 2)
        x1, y1 = side * 80 + rng.integers(81 - w), rng.integers(121 - h)
        image[y1 : y1 + h, x1 : x1 + w] = COLOURS[colour]
        boxes.append((x1, y1, x1 + w, y1 + h))
    corners = np.array(boxes, np.float32)
    return image, Objects(corners, np.array([RED, GREEN]), corners)


def no_objects() -> Objects:
    """The objects of an empty image."""
    return Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros((0, 4), np.float32))


def visible(image: Image, label: int) -> list[float] | None:
    """The box around the pixels of one colour; None if there are no such pixels."""
    distance = np.abs(image.astype(int) - COLOURS[label]).max(axis=2)
    rows, columns = np.nonzero(distance < 100)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if len(rows) else None


def assert_on_objects(image: Image, objects: Objects, tolerance: float) -> None:
    """Each box is that of the pixels of its label's colour, within `tolerance` pixels."""
    for box, label in zip(objects.boxes, objects.labels, strict=True):
        assert visible(image, label) == pytest.approx(box.tolist(), abs=tolerance)
