"""`python -m comparison.mosaic --data DIR`: objects found in a large picture with tiles of several sizes, and without.

The large picture is a grid of the pictures of a split, whose objects are known.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.data_set import DataError, Sample
from models.data.open import open_data_set
from service.detect.__main__ import set_up_threads
from service.detect.detector import Detector, Found
from service.detection.iou import iou
from service.detection.tiles import Tile

MIN_IOU = 0.5


def main() -> int:
    """Measure and print a line for each size of the tiles; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="python -m comparison.mosaic"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="an annotated data set")
    parser.add_argument("--split", default="test", help="(default: test)")
    parser.add_argument("--pictures", type=int, default=42, help="in the large picture (default: 42)")
    parser.add_argument("--tiles", type=int, nargs="*", default=[320, 480, 640, 960], help="(default: 320 480 640 960)")
    options = parser.parse_args()
    set_up_threads()
    with Detector.open() as detector:
        try:
            samples = open_data_set(options.data, options.split, detector.manifest.classes).samples[: options.pictures]
        except DataError as error:
            print(f"comparison: {error}", file=sys.stderr)
            return 1
    image, boxes, labels = mosaic(samples)
    print(f"{image.shape[1]}×{image.shape[0]} pixels, {len(boxes)} objects")
    alone = detect_each(samples)
    hits = sum(num_hits(found, sample.boxes, sample.labels) for found, sample in zip(alone, samples, strict=True))
    print(line("the pictures one by one", hits, sum(len(found.detections) for found in alone), len(boxes)))
    tiles: list[Tile | None] = [None, *options.tiles]
    for tile in tiles:
        with Detector.open(tile=tile) as detector:
            (found,) = detector.detect([image])
        assert isinstance(found, Found)
        hits = num_hits(found, boxes, labels)
        print(line(f"--tile {tile}" if tile else "without --tile", hits, len(found.detections), len(boxes)))
    return 0


def mosaic(samples: Sequence[Sample]) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """The pictures in a grid -> image [H, W, 3], boxes (M, 4) and labels (M,) of all objects."""
    pictures = [sample.read_image() for sample in samples]
    height, width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    columns = math.ceil(math.sqrt(len(pictures)))
    image = np.zeros((math.ceil(len(pictures) / columns) * height, columns * width, 3), np.uint8)
    boxes = []
    for number, (picture, sample) in enumerate(zip(pictures, samples, strict=True)):
        top, left = number // columns * height, number % columns * width
        image[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
        boxes.append(sample.boxes + np.array([left, top, left, top], np.float32))
    return image, np.concatenate(boxes), np.concatenate([sample.labels for sample in samples])


def detect_each(samples: Sequence[Sample]) -> list[Found]:
    """The detections in each picture alone."""
    with Detector.open() as detector:
        found = detector.detect([sample.read_image() for sample in samples])
    return [one for one in found if isinstance(one, Found)]


def num_hits(found: Found, boxes: NDArray[np.float32], labels: NDArray[np.int64]) -> int:
    """How many objects a detection of their label has with an IoU of MIN_IOU; each detection counts for one object."""
    overlaps = iou(found.detections.boxes, boxes) * (found.detections.labels[:, None] == labels[None, :])
    is_free = np.ones(len(boxes), bool)
    for row in overlaps:  # by falling score
        if len(row) and (row * is_free).max() >= MIN_IOU:
            is_free[np.argmax(row * is_free)] = False
    return int((~is_free).sum())


def line(what: str, hits: int, num_detections: int, num_objects: int) -> str:
    """One row of the report."""
    return (
        f"{what}: {hits} of {num_objects} objects found (recall {hits / num_objects:.3f}) in {num_detections} "
        f"detections (precision {hits / max(1, num_detections):.3f})"
    )


if __name__ == "__main__":
    sys.exit(main())
