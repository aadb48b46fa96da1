"""Makes samples of the flat list of a split's objects, and drops the boxes that hold nothing."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.data.data_set import DataError, Sample
from models.data.reading.annotation import Tally
from service.detection.image_header import kind_of, read_header
from service.errors import ImageError

HEAD_BYTES = 65536  # a JPEG's size usually stands in its first bytes
BEYOND = 1.0  # pixels; rounding puts a box less far outside of its image


@dataclass
class ObjectList:
    """The N objects of a split, in any order: index of the image, box xyxy in pixels, class index and two flags."""

    images: list[int] = field(default_factory=list)
    boxes: list[Sequence[float]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    is_difficult: list[bool] = field(default_factory=list)
    is_crowd: list[bool] = field(default_factory=list)

    def add(
        self, image: int, box: Sequence[float], label: int, *, is_difficult: bool = False, is_crowd: bool = False
    ) -> None:
        self.images.append(image)
        self.boxes.append(box)
        self.labels.append(label)
        self.is_difficult.append(is_difficult)
        self.is_crowd.append(is_crowd)


def make_samples(
    paths: Sequence[Path],
    sizes: Sequence[tuple[int, int]],
    objects: ObjectList,
    place: Callable[[int], str],
    tally: Tally,
    smallest: float = 0.0,
) -> tuple[Sample, ...]:
    """One sample for each image; `place` names an object by its number, for errors and notes.

    A size (0, 0) is unknown and read from the image's file. Boxes are clipped to the image. Boxes whose width or height
    is not above `smallest` are dropped and counted. Raises DataError for coordinates that are not finite.
    """
    sizes = [size if size != (0, 0) else image_size(path) for path, size in zip(paths, sizes, strict=True)]
    image = np.array(objects.images, dtype=np.int64)
    boxes = np.array(objects.boxes, dtype=np.float64).reshape(-1, 4)
    for number in np.flatnonzero(~np.isfinite(boxes).all(axis=1)).tolist():
        raise DataError(f"{place(number)}: a coordinate of its box {boxes[number].tolist()} is not a finite number")
    limits = np.array(sizes, dtype=np.float64).reshape(-1, 2)[image][:, [1, 0, 1, 0]]
    clipped = np.clip(boxes, 0, limits).astype(np.float32)
    side = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    is_kept = ((clipped[:, 2:] - clipped[:, :2]).min(axis=1) > smallest) & (side > smallest)
    for what, is_such in (
        ("boxes with swapped corners or a negative size", ~is_kept & (side < smallest)),
        ("boxes without area", ~is_kept & (side == smallest)),
        ("boxes outside of their image", ~is_kept & (side > smallest)),
    ):
        numbers = np.flatnonzero(is_such)
        if len(numbers):
            tally.drop(what, place(int(numbers[0])), len(numbers))
    beyond = np.flatnonzero(is_kept & (np.abs(clipped - boxes).max(axis=1, initial=0) > BEYOND))
    if len(beyond):
        tally.add("clipped boxes that reach beyond their image", place(int(beyond[0])), len(beyond))
    order = np.argsort(image, kind="stable")
    order = order[is_kept[order]]
    starts = np.searchsorted(image[order], np.arange(1, len(paths)))
    parts = [
        np.split(values[order], starts)
        for values in (
            clipped,
            np.array(objects.labels, dtype=np.int64),
            np.array(objects.is_difficult, dtype=bool),
            np.array(objects.is_crowd, dtype=bool),
        )
    ]
    return tuple(Sample(*fields) for fields in zip(paths, sizes, *parts, strict=True))


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image file as it is shown: upright."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if kind_of(head) == "jpeg":
                with suppress(ImageError):  # metadata longer than the head
                    return read_header(head).upright_size
            return read_header(head + file.read()).upright_size
    except FileNotFoundError as error:
        raise DataError(f"{path}: annotated, but the image is missing") from error
    except ImageError as error:
        raise DataError(f"{path}: {error}; replace the file or remove it from the split") from error
