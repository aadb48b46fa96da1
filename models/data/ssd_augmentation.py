"""SSD's augmentation (Liu et al. 2016, §2.2): zoom-out, zoom-in, flips and photometric distortion.

Zoom-out and zoom-in only choose a window, whose pixels are then cut out and resized once: a zoomed-out picture is never
in memory at its full size. Each function takes a random generator, so that the augmentation of an image depends only on
the seed, the epoch and its index in the data set.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from models.data.data_set import Boxes, Image
from models.data.flip import random_flips
from models.data.objects import Objects, is_centre_inside
from models.data.scale_jitter import pad
from models.detector import IMAGE_MEAN
from models.ranges import check_ranges
from service.bundle import InputSpec
from service.detection.fit import content_size, fit
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

    def __post_init__(self) -> None:
        check_ranges(
            self,
            positive=["crop_min"],
            share=("expand_probability", "crop_probability", "crop_min", "flip", "vertical_flip"),
        )
        if not 1 <= self.expand_max < math.inf:
            raise ValueError(f"expand_max must be at least 1, not {self.expand_max}")


@dataclass(frozen=True)
class Window:
    """A part of an image in its pixels; after a zoom-out it extends beyond the image."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """xyxy."""
        return self.left, self.top, self.left + self.width, self.top + self.height


def augment(
    image: Image, objects: Objects, spec: InputSpec, config: AugmentConfig, rng: np.random.Generator
) -> tuple[Image, Objects]:
    """A training image of the size of `spec`, stretched or letterboxed as `spec` requires.

    The photometric distortion is last: it acts on single pixels, and the resized image usually has fewer of them.
    """
    window = Window(0, 0, image.shape[1], image.shape[0])
    if rng.random() < config.expand_probability:
        window = expand(window, rng.uniform(1, config.expand_max), rng)
    if rng.random() < config.crop_probability:
        window = crop(window, objects.boxes, config.crop_min, rng)
        objects = objects.inside(window.corners)
    image, objects = cut(image, objects, window, spec)
    image, objects = random_flips(image, objects, config.flip, config.vertical_flip, rng)
    if config.photometric:
        image = distort(image, rng)
    height, width = image.shape[:2]
    sizes = objects.boxes[:, 2:] - objects.boxes[:, :2]
    is_large = (sizes > SMALLEST_SIDE * np.array([width, height])).all(axis=1)
    objects = Objects(objects.boxes[is_large], objects.labels[is_large], objects.ignored)
    return pad(image, spec.height, spec.width), objects


def expand(window: Window, ratio: float, rng: np.random.Generator) -> Window:
    """Zoom out: a window with sides `ratio` times longer, with the given one at a random place in it."""
    width, height = int(window.width * ratio), int(window.height * ratio)
    top = int(rng.integers(height - window.height + 1))
    left = int(rng.integers(width - window.width + 1))
    return Window(window.left - left, window.top - top, width, height)


def crop(window: Window, boxes: Boxes, smallest: float, rng: np.random.Generator) -> Window:
    """Zoom in: a random part of the window whose IoU with at least one of boxes (M, 4) reaches a random minimum.

    At least one box has its centre in it. After `CROP_TRIALS` failed draws the window stays whole.
    """
    min_iou = CROP_MIN_IOUS[rng.integers(len(CROP_MIN_IOUS))]
    for _ in range(CROP_TRIALS):
        width = int(window.width * rng.uniform(smallest, 1))
        height = int(window.height * rng.uniform(smallest, 1))
        if min(width, height) < 1 or not 0.5 <= width / height <= 2:
            continue
        left = window.left + int(rng.integers(window.width - width + 1))
        top = window.top + int(rng.integers(window.height - height + 1))
        part = Window(left, top, width, height)
        corners = np.array(part.corners, dtype=np.float32)
        if len(boxes) and min_iou is not None and iou(boxes, corners[None]).max() < min_iou:
            continue
        if len(boxes) == 0 or is_centre_inside(boxes, corners[:2], corners[2:]).any():
            return part
    return window


def cut(image: Image, objects: Objects, window: Window, spec: InputSpec) -> tuple[Image, Objects]:
    """The pixels of a window at the size that they have in an input of `spec`, by the server's own resizing.

    What lies outside the image gets the mean colour.
    """
    x1, y1, x2, y2 = window.corners
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, image.shape[1]), min(y2, image.shape[0])
    height, width = content_size(spec, window.height, window.width)
    if (left, top, right, bottom) == window.corners:
        place = Window(0, 0, width, height)
        content = resize(image[top:bottom, left:right], width, height)
    else:
        content = np.full((height, width, 3), IMAGE_MEAN, np.uint8)
        if left >= right or top >= bottom:  # no part of the image is in the window, thus no object either
            return content, Objects(objects.boxes[:0], objects.labels[:0], objects.ignored[:0])
        x1, x2 = (round((x - window.left) * width / window.width) for x in (left, right))
        y1, y2 = (round((y - window.top) * height / window.height) for y in (top, bottom))
        place = Window(min(x1, width - 1), min(y1, height - 1), max(x2 - x1, 1), max(y2 - y1, 1))
        content[place.top : place.top + place.height, place.left : place.left + place.width] = resize(
            image[top:bottom, left:right], place.width, place.height
        )
    scale = np.array([place.width / (right - left), place.height / (bottom - top)] * 2, np.float32)
    source, target = (np.array([w, h] * 2, np.float32) for w, h in ((left, top), (place.left, place.top)))
    return content, objects.map(lambda boxes: (boxes - source) * scale + target)


def resize(image: Image, width: int, height: int) -> Image:
    return fit(image, InputSpec(height=height, width=width, resize="stretch"))


def distort(image: Image, rng: np.random.Generator) -> Image:
    """Photometric distortion with SSD's ranges, each part with probability 0.5.

    Brightness ±32, contrast and saturation x0.5…1.5, hue ±18°. All parts are tables of 256 entries.
    """
    values = np.arange(256, dtype=np.float32)
    before, after = values, values
    if rng.random() < 0.5:
        before = before + rng.uniform(-32, 32)
    contrast_first = rng.random() < 0.5
    if contrast_first and rng.random() < 0.5:
        before = before * rng.uniform(0.5, 1.5)
    saturation = rng.uniform(0.5, 1.5) if rng.random() < 0.5 else 1.0
    hue = rng.uniform(-18, 18) if rng.random() < 0.5 else 0.0
    if not contrast_first and rng.random() < 0.5:
        after = after * rng.uniform(0.5, 1.5)
    image = look_up(image, before)
    if saturation != 1 or hue != 0:
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)  # H in 0…255 for 0…360°
        table = np.stack([(values + hue * 256 / 360) % 256, values * saturation, values], axis=1)
        image = cv2.cvtColor(look_up(hsv, table), cv2.COLOR_HSV2RGB_FULL)
    return look_up(image, after)


def look_up(image: Image, table: np.ndarray) -> Image:
    """Replace each value by that of a table (256) or (256, 3), clipped to 0…255."""
    return np.asarray(cv2.LUT(image, table.clip(0, 255).round().astype(np.uint8).reshape(1, 256, -1)))
