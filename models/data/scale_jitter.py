"""RetinaNet's augmentation: pictures keep their shape, their short side is drawn, and some are flipped (FSAF §3.4, §4.2).

An image is uint8 (H, W, 3) RGB; boxes are float32 (M, 4) xyxy in its pixels. Images are padded at the right and the bottom,
with the grey that fills a letterbox, up to a size that the top level divides.
"""

from dataclasses import dataclass

import numpy as np

from models.data.ssd_augmentation import Boxes, Image, flip, vertical_flip
from service.bundle import InputSpec
from service.detection.preprocess import LETTERBOX_GREY, fit

Scale = tuple[int, int]  # (short side, longest long side) in pixels


@dataclass(frozen=True)
class ScaleJitterConfig:
    """RetinaNet's augmentation: the scales of which each picture draws one, and the probabilities of flips."""

    scales: tuple[Scale, ...] = ((800, 1333),)  # FSAF §4.1; the long side as in Detectron
    flip: float = 0.5
    vertical_flip: float = 0.0  # for pictures without an up and a down, such as microscopy


COARSEST_STRIDE = 128  # of P7


def jitter(image: Image, boxes: Boxes, config: ScaleJitterConfig, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """A training image at one of the scales, padded, its boxes with it."""
    scale = config.scales[rng.integers(len(config.scales))]
    if rng.random() < config.flip:
        image, boxes = flip(image, boxes)
    if rng.random() < config.vertical_flip:
        image, boxes = vertical_flip(image, boxes)
    resized = rescale(image, scale)
    ratio = np.array([resized.shape[1] / image.shape[1], resized.shape[0] / image.shape[0]] * 2, np.float32)
    return pad_to_top_level(resized), boxes * ratio


def rescale(image: Image, scale: Scale) -> Image:
    """The picture with its short side as wanted, or smaller where the long side would be too long."""
    short, longest = scale
    height, width = image.shape[:2]
    ratio = min(short / min(height, width), longest / max(height, width))
    size = InputSpec(height=max(1, round(height * ratio)), width=max(1, round(width * ratio)), resize="stretch")
    return fit(image, size)


def pad(image: Image, height: int, width: int) -> Image:
    """The picture at the top left of a grey one of height x width."""
    padded = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded


def pad_to_top_level(image: Image) -> Image:
    """The picture padded until the top level divides both sides."""
    height, width = (-(-side // COARSEST_STRIDE) * COARSEST_STRIDE for side in image.shape[:2])
    return pad(image, height, width)
