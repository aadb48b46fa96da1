"""A data set in memory, independent of its layout on disk."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.decode import DecodedImage, decode_image
from service.errors import ImageError

MAX_PIXELS = 200_000_000

Image = NDArray[np.uint8]
"""(H, W, 3) RGB."""
Boxes = NDArray[np.float32]
"""(M, 4) xyxy in pixels of their image."""
Labels = NDArray[np.int64]
"""(M), an index into the classes."""


class DataError(Exception):
    """Unusable data; the message names the file, the fault and the remedy."""


@dataclass(frozen=True)
class Sample:
    """One annotated image with M objects: boxes (M, 4) xyxy in pixels of the image, labels (M), two masks (M) bool.

    A difficult object (Pascal VOC) and a crowd, one box around many objects (MS COCO), are not counted in evaluation,
    nor are detections of them.
    """

    image_path: Path
    size: tuple[int, int]
    """(height, width) as annotated; (0, 0) if the annotation does not give it."""
    boxes: Boxes
    labels: Labels
    is_difficult: NDArray[np.bool_]
    is_crowd: NDArray[np.bool_]

    @property
    def is_uncounted(self) -> NDArray[np.bool_]:
        """The objects that evaluation does not count."""
        return self.is_difficult | self.is_crowd

    def read_image(self) -> Image:
        """The image, uint8 (H, W, 3) RGB, upright."""
        return self.decode(None).pixels

    def decode(self, target: InputSpec | None) -> DecodedImage:
        """The image as the server decodes it for an input of `target`, possibly at a reduced scale."""
        try:
            image = decode_image(self.image_path.read_bytes(), target=target, max_pixels=MAX_PIXELS)
        except FileNotFoundError as error:
            raise DataError(f"{self.image_path}: annotated, but the image is missing") from error
        except ImageError as error:
            raise DataError(f"{self.image_path}: {error}; replace the file or remove it from the split") from error
        if self.size not in ((0, 0), (image.height, image.width)):
            height, width = self.size
            raise DataError(
                f"{self.image_path}: the annotation is for {width}x{height} pixels, the upright image has "
                f"{image.width}x{image.height}; if the annotators ignored its EXIF rotation, remove that tag"
            )
        return image


@dataclass(frozen=True)
class CocoSource:
    """The source of a split of MS COCO, which its evaluation needs: category_ids by class, image_ids by sample."""

    annotations: Path
    category_ids: tuple[int, ...]
    image_ids: tuple[int, ...]


@dataclass(frozen=True)
class DataSet:
    """The images of one split. `num_dropped` counts boxes without area in the image; `notes` say all that was left out.

    If `is_annotated` is false, nobody knows the objects of the images: samples have no boxes and AP cannot be measured.
    """

    name: str
    split: str
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    num_dropped: int
    coco: CocoSource | None = None
    is_annotated: bool = True
    notes: tuple[str, ...] = ()
