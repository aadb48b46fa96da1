"""Flips of an image and its boxes."""

import numpy as np

from models.data.data_set import Boxes, Image


def flip(image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
    """Left to right."""
    width = image.shape[1]
    mirrored = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
    return np.ascontiguousarray(image[:, ::-1]), mirrored


def vertical_flip(image: Image, boxes: Boxes) -> tuple[Image, Boxes]:
    """Upside down."""
    height = image.shape[0]
    mirrored = np.stack([boxes[:, 0], height - boxes[:, 3], boxes[:, 2], height - boxes[:, 1]], axis=1)
    return np.ascontiguousarray(image[::-1]), mirrored
