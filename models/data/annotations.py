"""A data set as the rest of the code sees it, whatever its layout on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.preprocess import DecodedImage, decode_image
from service.errors import ImageError

MAX_PIXELS = 200_000_000


class DataError(Exception):
    """Data that cannot be used; the message names the file, what is wrong with it and the remedy."""


@dataclass(frozen=True)
class Sample:
    """One annotated picture: boxes (M, 4) float32 xyxy in pixels of the picture, labels (M) int64, is_difficult (M) bool.

    Objects marked difficult are neither trained on nor counted for or against a detector, as in Pascal VOC.
    """

    image_path: Path
    size: tuple[int, int]
    """(height, width) as annotated; (0, 0) where the annotation does not say."""
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_difficult: NDArray[np.bool_]

    def read_image(self) -> NDArray[np.uint8]:
        """The picture, uint8 (H, W, 3) RGB, upright."""
        return self.decode(None).pixels

    def decode(self, target: InputSpec | None) -> DecodedImage:
        """The picture as the server decodes it for an input of `target`, perhaps at a reduced scale."""
        try:
            image = decode_image(self.image_path.read_bytes(), target=target, max_pixels=MAX_PIXELS)
        except FileNotFoundError as error:
            raise DataError(f"{self.image_path}: annotated, but the picture is missing") from error
        except ImageError as error:
            raise DataError(f"{self.image_path}: {error}; replace the file or take it out of the split") from error
        if self.size not in ((0, 0), (image.height, image.width)):
            height, width = self.size
            raise DataError(
                f"{self.image_path}: the annotation is for {width}x{height} pixels, the upright picture has "
                f"{image.width}x{image.height}; if its EXIF rotation was ignored when it was annotated, strip that tag"
            )
        return image


@dataclass(frozen=True)
class CocoSource:
    """Where a split of MS COCO came from, as its own evaluation needs it: category_ids by class, image_ids by sample."""

    annotations: Path
    category_ids: tuple[int, ...]
    image_ids: tuple[int, ...]


@dataclass(frozen=True)
class DataSet:
    """The pictures of one split. `num_dropped` counts boxes without area, which no detector can learn."""

    name: str
    split: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    num_dropped: int
    coco: CocoSource | None = None
