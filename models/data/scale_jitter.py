"""RetinaNet's augmentation: a random short side at the original aspect ratio, and flips (FSAF §3.4, §4.2).

Images are padded at the right and at the bottom, with the grey of a letterbox, until the stride of the top level
divides both sides.
"""

from dataclasses import dataclass

import numpy as np

from models.data.data_set import Image
from models.data.flip import random_flips
from models.data.objects import Objects
from models.ranges import check_ranges
from service.bundle import InputSpec
from service.detection.fit import LETTERBOX_GREY, fit

COARSEST_STRIDE = 128  # of P7

Scale = tuple[int, int]  # (short side, maximum of the long side) in pixels


@dataclass(frozen=True)
class ScaleJitterConfig:
    """The scales, one of which is drawn for each image, and the probabilities of flips."""

    scales: tuple[Scale, ...] = ((800, 1333),)  # FSAF §4.1; the long side as in Detectron
    flip: float = 0.5
    vertical_flip: float = 0.0  # for images without an up and a down, such as micrographs

    def __post_init__(self) -> None:
        check_ranges(self, share=("flip", "vertical_flip"))
        if not self.scales or min(map(min, self.scales)) < 1:
            raise ValueError(f"scales must be pairs of at least 1 pixel, not {self.scales}")


def jitter(
    image: Image, objects: Objects, config: ScaleJitterConfig, rng: np.random.Generator
) -> tuple[Image, Objects]:
    """A training image and its objects at a random scale, flipped at random, and padded."""
    resized = rescale(image, config.scales[rng.integers(len(config.scales))])
    ratio = np.array([resized.shape[1] / image.shape[1], resized.shape[0] / image.shape[0]] * 2, np.float32)
    scaled = objects.map(lambda boxes: boxes * ratio)
    flipped, moved = random_flips(resized, scaled, config.flip, config.vertical_flip, rng)
    return pad_to_top_level(flipped), moved


def rescale(image: Image, scale: Scale) -> Image:
    """The image with the short side of `scale`, or a smaller one if the long side would exceed its maximum."""
    height, width = image.shape[:2]
    ratio = ratio_of(height, width, scale)
    size = InputSpec(height=max(1, round(height * ratio)), width=max(1, round(width * ratio)), resize="stretch")
    return fit(image, size)


def ratio_of(height: int, width: int, scale: Scale) -> float:
    """The factor by which `rescale` enlarges an image."""
    short, longest = scale
    return min(short / min(height, width), longest / max(height, width))


def pad(image: Image, height: int, width: int) -> Image:
    """The image at the top left of a grey image of height x width."""
    if image.shape[:2] == (height, width):
        return image
    padded = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
    padded[: image.shape[0], : image.shape[1]] = image
    return padded


def pad_to_top_level(image: Image) -> Image:
    """The image, padded until the stride of the top level divides both sides."""
    height, width = (-(-side // COARSEST_STRIDE) * COARSEST_STRIDE for side in image.shape[:2])
    return pad(image, height, width)
