"""Flips of an image and its boxes."""

import numpy as np

from models.data.data_set import Boxes, Image
from models.data.objects import Objects


def random_flips(
    image: Image, objects: Objects, horizontal: float, vertical: float, rng: np.random.Generator
) -> tuple[Image, Objects]:
    """Flip from left to right, and upside down, each with its probability."""
    height, width = image.shape[:2]
    if rng.random() < horizontal:
        image, objects = image[:, ::-1], objects.map(lambda boxes: mirror(boxes, width))
    if rng.random() < vertical:
        image, objects = image[::-1], objects.map(lambda boxes: turn_over(boxes, height))
    return np.ascontiguousarray(image), objects


def mirror(boxes: Boxes, width: int) -> Boxes:
    """boxes (M, 4) xyxy in an image of this width, after a flip from left to right."""
    return np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)


def turn_over(boxes: Boxes, height: int) -> Boxes:
    """boxes (M, 4) xyxy in an image of this height, after a flip upside down."""
    return np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], axis=1)
