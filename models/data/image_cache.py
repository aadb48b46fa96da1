"""Decoded training images in memory, if all of them fit: then no epoch decodes them again."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import cv2
from tqdm import tqdm

from models.data.data_set import Sample
from models.distributed import is_first
from service.bundle import InputSpec
from service.cores import num_cores
from service.detection.decode import DecodedImage
from service.detection.fit import content_size, reduction

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
SHARE = 0.25  # of the machine's memory, or of the container's


def read_reduced(sample: Sample, target: InputSpec | None) -> DecodedImage:
    """The upright image, reduced by a power of two as `fit` would do for `target`; None does not reduce it.

    Reducing a photo of 24 megapixels once makes every later step cheap.
    """
    image = sample.decode(target)
    height, width = image.pixels.shape[:2]
    factor = factor_for(height, width, target)
    if factor == 1:
        return image
    pixels = cv2.resize(image.pixels, (-(-width // factor), -(-height // factor)), interpolation=cv2.INTER_AREA)
    return DecodedImage(pixels, image.height, image.width)


def factor_for(height: int, width: int, target: InputSpec | None) -> int:
    return reduction(height, width, *content_size(target, height, width)) if target else 1


def read_all(samples: Sequence[Sample], target: InputSpec | None, max_bytes: float) -> tuple[DecodedImage, ...] | None:
    """All images as `read_reduced` gives them, or None if they take more than `max_bytes`; shows progress.

    Raises DataError for the first image that cannot be read.
    """
    if num_bytes(samples, target) > max_bytes:
        return None
    with ThreadPoolExecutor(num_cores()) as pool:
        images = pool.map(lambda sample: read_reduced(sample, target), samples)
        bar = tqdm(images, "decoding images", len(samples), unit="image", leave=False, disable=not is_first())
        return tuple(bar)


def num_bytes(samples: Sequence[Sample], target: InputSpec | None) -> float:
    """The memory that all images take by their annotated sizes; infinite if a size is unknown."""
    total = 0
    for sample in samples:
        height, width = sample.size
        if not (height and width):
            return float("inf")
        factor = factor_for(height, width, target)
        total += -(-height // factor) * -(-width // factor) * 3
    return float(total)


def cache_bytes(num_processes: int, limit_file: Path = CGROUP_LIMIT) -> float:
    """The memory that one of several training processes may take for images: together SHARE of all memory."""
    try:
        memory = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError):  # not on Windows
        return 0.0
    with suppress(OSError, ValueError):  # no cgroup v2, or the limit is the word "max"
        memory = min(memory, float(limit_file.read_text()))
    return SHARE * memory / num_processes
