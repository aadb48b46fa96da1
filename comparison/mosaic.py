"""`python -m comparison.mosaic --data DIR`: objects found in a large picture with tiles of several sizes, and without.

The large picture is a grid of the pictures of a split, whose objects are known.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data.data_set import DataError, Sample
from models.data.open import open_data_set
from models.evaluation.average_precision import ImageResult, average_precision, mean_ap
from service.detect.__main__ import set_up_threads
from service.detect.detector import Detector, Found
from service.detection.iou import iou
from service.detection.tiles import Tile, num_views, tile_size
from service.errors import ImageError

MIN_IOU = 0.5
LOWEST_SCORE = 0.05  # of the detections in the AP50


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
    with Detector.open(score_threshold=LOWEST_SCORE) as detector:
        try:
            samples = open_data_set(options.data, options.split, detector.manifest.classes).samples[: options.pictures]
        except DataError as error:
            print(f"comparison: {error}", file=sys.stderr)
            return 1
        alone = detector.detect([sample.read_image() for sample in samples])
        threshold, spec = detector.manifest.nms.score_threshold, detector.manifest.input
    image, boxes, labels = mosaic(samples)
    print(f"{image.shape[1]}×{image.shape[0]} pixels, {len(boxes)} objects")
    results = [result(found, sample.boxes, sample.labels) for found, sample in zip(alone, samples, strict=True)]
    print(f"the pictures one by one: {report(results, threshold)}")
    tiles: list[Tile | None] = [None, *options.tiles]
    for tile in tiles:
        with Detector.open(tile=tile, score_threshold=LOWEST_SCORE) as detector:
            (found,) = detector.detect([image])
        size = image.shape[0], image.shape[1]
        count = num_views(size, size if tile is None else tile_size(tile, spec, size))
        name = "without --tile" if tile is None else f"--tile {tile}, {count} views"
        print(f"{name}: {report([result(found, boxes, labels)], threshold)}")
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


def result(found: Found | ImageError, boxes: NDArray[np.float32], labels: NDArray[np.int64]) -> ImageResult:
    """The detections in an image beside its objects."""
    assert isinstance(found, Found)
    kept = found.detections
    return ImageResult(kept.boxes, kept.scores, kept.labels, boxes, labels, np.zeros(len(labels), np.bool_))


def num_hits(result: ImageResult) -> int:
    """How many objects a detection of their label has with an IoU of MIN_IOU; each detection counts for one object."""
    overlaps = iou(result.boxes, result.gt_boxes) * (result.labels[:, None] == result.gt_labels[None, :])
    is_free = np.ones(len(result.gt_boxes), bool)
    for row in overlaps:  # by falling score
        if len(row) and (row * is_free).max() >= MIN_IOU:
            is_free[np.argmax(row * is_free)] = False
    return int((~is_free).sum())


def above(result: ImageResult, threshold: float) -> ImageResult:
    """The detections with this score or a higher one; soft-NMS with this threshold would have given the same."""
    is_shown = result.scores >= threshold
    return replace(result, boxes=result.boxes[is_shown], scores=result.scores[is_shown], labels=result.labels[is_shown])


def report(results: Sequence[ImageResult], threshold: float) -> str:
    """What was found with scores from `threshold` up, and the AP50 of all detections."""
    shown = [above(result, threshold) for result in results]
    hits, num_objects = sum(map(num_hits, shown)), sum(len(result.gt_labels) for result in results)
    num_detections = sum(len(result.scores) for result in shown)
    num_classes = 1 + max(int(result.gt_labels.max()) for result in results if len(result.gt_labels))
    return (
        f"{hits} of {num_objects} objects found (recall {hits / num_objects:.3f}) in {num_detections} detections "
        f"(precision {hits / max(1, num_detections):.3f}), AP50 {mean_ap(average_precision(results, num_classes)):.3f}"
    )


if __name__ == "__main__":
    sys.exit(main())
