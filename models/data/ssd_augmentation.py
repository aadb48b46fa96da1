"""SSD's augmentation (Liu et al. 2016, §2.2): zoom-out, zoom-in, flips and photometric distortion.

Each function takes a random generator, so that the augmentation of an image depends only on the seed, the epoch and its
index in the data set.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from models.data.data_set import Boxes, Image, Labels
from models.data.flip import flip, vertical_flip
from models.detector import IMAGE_MEAN
from service.bundle import InputSpec
from service.detection.fit import boxes_to_input, fit
from service.detection.iou import iou

CROP_MIN_IOUS = (0.1, 0.3, 0.5, 0.7, 0.9, None)  # SSD §2.2; None accepts any crop
CROP_TRIALS = 50
SMALLEST_SIDE = 0.01  # of the image's side: boxes that a crop makes smaller are dropped, as in RFBNet


@dataclass(frozen=True)
class AugmentConfig:
    """Probabilities and ranges of SSD's augmentation (Liu et al. 2016, §2.2 and §3.6)."""

    photometric: bool = True
    expand_probability: float = 0.6  # zoom-out, as in RFBNet
    expand_max: float = 4.0
    crop_probability: float = 6 / 7  # zoom-in; SSD keeps the whole image in one case of seven
    crop_min: float = 0.3  # smallest side of a crop, divided by the image's side
    flip: float = 0.5
    vertical_flip: float = 0.0  # for images without an up and a down, such as micrographs


def augment(
    image: Image, boxes: Boxes, labels: Labels, spec: InputSpec, config: AugmentConfig, rng: np.random.Generator
) -> tuple[Image, Boxes, Labels]:
    """A training image of the size of `spec`, stretched or letterboxed as `spec` requires.

    The photometric distortion is last: it acts on single pixels, and the resized image usually has fewer of them.
    """
    if rng.random() < config.expand_probability:
        image, boxes = expand(image, boxes, rng.uniform(1, config.expand_max), rng)
    if rng.random() < config.crop_probability:
        image, boxes, labels = crop(image, boxes, labels, config.crop_min, rng)
    if rng.random() < config.flip:
        image, boxes = flip(image, boxes)
    if rng.random() < config.vertical_flip:
        image, boxes = vertical_flip(image, boxes)
    image, boxes = resize(image, boxes, spec)
    if config.photometric:
        image = distort(image, rng)
    height, width = image.shape[:2]
    is_large = ((boxes[:, 2:] - boxes[:, :2]) > SMALLEST_SIDE * np.array([width, height])).all(axis=1)
    return image, boxes[is_large], labels[is_large]


def resize(image: Image, boxes: Boxes, spec: InputSpec) -> tuple[Image, Boxes]:
    """Resize to the input of `spec`, by the server's own function."""
    return fit(image, spec), boxes_to_input(boxes, spec, (image.shape[0], image.shape[1]))


def expand(image: Image, boxes: Boxes, ratio: float, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """Zoom out: place the image at random on a canvas of the mean colour, whose sides are `ratio` times longer."""
    height, width = image.shape[:2]
    canvas_height, canvas_width = int(height * ratio), int(width * ratio)
    top = int(rng.integers(canvas_height - height + 1))
    left = int(rng.integers(canvas_width - width + 1))
    canvas = np.full((canvas_height, canvas_width, 3), IMAGE_MEAN, dtype=np.uint8)
    canvas[top : top + height, left : left + width] = image
    return canvas, boxes + np.array([left, top, left, top], dtype=np.float32)


def crop(
    image: Image, boxes: Boxes, labels: Labels, smallest: float, rng: np.random.Generator
) -> tuple[Image, Boxes, Labels]:
    """Zoom in: cut out a random window whose IoU with at least one object reaches a random minimum.

    Objects with their centre inside the window are kept. After `CROP_TRIALS` failed draws the image stays whole.
    """
    height, width = image.shape[:2]
    min_iou = CROP_MIN_IOUS[rng.integers(len(CROP_MIN_IOUS))]
    for _ in range(CROP_TRIALS):
        window_width = int(width * rng.uniform(smallest, 1))
        window_height = int(height * rng.uniform(smallest, 1))
        if min(window_width, window_height) < 1 or not 0.5 <= window_width / window_height <= 2:
            continue
        left = int(rng.integers(width - window_width + 1))
        top = int(rng.integers(height - window_height + 1))
        window = np.array([left, top, left + window_width, top + window_height], dtype=np.float32)
        if len(boxes) and min_iou is not None and iou(boxes, window[None]).max() < min_iou:
            continue
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        is_kept = ((centres > window[:2]) & (centres < window[2:])).all(axis=1)
        if len(boxes) and not is_kept.any():
            continue
        kept = np.concatenate(
            [np.maximum(boxes[is_kept, :2], window[:2]), np.minimum(boxes[is_kept, 2:], window[2:])], axis=1
        )
        cut = image[top : top + window_height, left : left + window_width]
        return cut, (kept - np.tile(window[:2], 2)).astype(np.float32), labels[is_kept]
    return image, boxes, labels


def distort(image: Image, rng: np.random.Generator) -> Image:
    """Photometric distortion with SSD's ranges, each part with probability 0.5.

    Brightness ±32, contrast and saturation x0.5…1.5, hue ±18°.
    """
    pixels = image.astype(np.float32)
    if rng.random() < 0.5:
        pixels += rng.uniform(-32, 32)
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        pixels *= rng.uniform(0.5, 1.5)
    saturation = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    hue = rng.uniform(-18, 18) if rng.random() < 0.5 else 0.0
    if saturation != 1 or hue != 0:
        hsv = cv2.cvtColor(pixels.clip(0, 255) / 255, cv2.COLOR_RGB2HSV)  # H in 0…360, S and V in 0…1
        hsv[..., 0] = (hsv[..., 0] + hue) % 360
        hsv[..., 1] = (hsv[..., 1] * saturation).clip(0, 1)
        pixels = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255
    if not contrast_first and rng.random() < 0.5:
        pixels *= rng.uniform(0.5, 1.5)
    return pixels.clip(0, 255).astype(np.uint8)
