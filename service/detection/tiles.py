"""Large images in parts: the views of an image that the model sees, and one list of the boxes found in them.

A view is a rectangle of the image; the model sees each view at its own input size. The views are overlapping tiles, in
which small objects are large enough to be found, and the whole image, for objects that no tile holds.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.compiled import compiled
from service.detection.fit import scale_to_image
from service.detection.postprocess import Detections, Options, postprocess
from service.engines.protocol import ImageCandidates

OVERLAP = 0.25  # of a tile's side, with each neighbour: an object up to that size is whole in at least one tile
BORDER_MARGIN = 0.02  # of a view's side: a box that ends so near to a border inside the image is cut by it
MIN_COVER = 0.5  # share of a box's area that another box of its label covers if both are the same object


def views_of(size: tuple[int, int], tile: tuple[int, int]) -> NDArray[np.int64]:
    """The views of an image of `size` in `tile`s, each (height, width) -> (V, 4) xyxy; the first is the whole image.

    The tiles follow row by row. As few as possible are spread evenly, so that neighbours overlap by OVERLAP of their
    sides or more. An image that fits into one tile has no other view than itself.
    """
    (height, width), (tile_height, tile_width) = size, (min(tile[0], size[0]), min(tile[1], size[1]))
    whole = np.array([[0, 0, width, height]])
    if (tile_height, tile_width) == size:
        return whole
    tops, lefts = np.meshgrid(starts(height, tile_height), starts(width, tile_width), indexing="ij")
    tiles = np.stack([lefts, tops, lefts + tile_width, tops + tile_height], axis=2)  # (rows, columns, 4)
    return np.concatenate([whole, tiles.reshape(-1, 4)])


def starts(length: int, tile: int) -> NDArray[np.int64]:
    """Where tiles of `tile` pixels begin on a side of `length` pixels, which is at least as long."""
    step = max(1, int(tile * (1 - OVERLAP)))
    count = 1 + -(-(length - tile) // step)
    return np.round(np.linspace(0, length - tile, count)).astype(np.int64)


def merge_views(
    candidates: Sequence[ImageCandidates],
    views: NDArray[np.int64],
    options: Options,
    spec: InputSpec,
    size: tuple[int, int],
) -> Detections:
    """The detections of an image of `size` (height, width) from the candidates of each of its `views` (V, 4).

    One object may have several boxes, so they are taken in three steps: the boxes of tiles that no border cuts; the
    boxes of the whole image; and the boxes that a border of their tile inside the image cuts. A box of a later step is
    left out if a box of its label from an earlier step covers MIN_COVER of it. Soft-NMS decides between the others.
    """
    lowest = min([options.score_threshold, *options.label_thresholds.values()])
    boxes, scores, labels, steps = [], [], [], []
    for number, (found, view) in enumerate(zip(candidates, views, strict=True)):
        wanted = (found.scores > 0) & (found.scores >= lowest)
        boxes.append(from_view(found.boxes[wanted], view, spec))
        scores.append(found.scores[wanted])
        labels.append(found.labels[wanted])
        steps.append(2 * is_cut(boxes[-1], view, size) if number else np.ones(len(boxes[-1]), np.int64))
    merged = ImageCandidates(np.concatenate(boxes), np.concatenate(scores), np.concatenate(labels))
    is_kept = ~is_covered(merged.boxes, merged.labels, np.concatenate(steps), MIN_COVER)
    order = np.flatnonzero(is_kept)[np.argsort(-merged.scores[is_kept], kind="stable")]
    best = ImageCandidates(merged.boxes[order], merged.scores[order], merged.labels[order])
    own_pixels = InputSpec(height=size[0], width=size[1], resize="stretch")  # the boxes are in the image's pixels
    return postprocess(best, options, own_pixels, size)


def from_view(boxes: NDArray[np.float32], view: NDArray[np.int64], spec: InputSpec) -> NDArray[np.float32]:
    """boxes (N, 4) xyxy in input pixels of a `view` (4,) -> (N, 4) in pixels of the image."""
    left, top, right, bottom = view.tolist()
    scaled = scale_to_image(boxes, spec, (bottom - top, right - left))
    return scaled + np.array([left, top, left, top], np.float32)


def is_cut(boxes: NDArray[np.float32], view: NDArray[np.int64], size: tuple[int, int]) -> NDArray[np.int64]:
    """boxes (N, 4) of a `view` (4,), all in pixels of the image -> (N,) 1 for a box that ends at an inner border.

    The image's own border cuts nothing: the object ends there.
    """
    left, top, right, bottom = view.tolist()
    x, y = BORDER_MARGIN * (right - left), BORDER_MARGIN * (bottom - top)
    cut = (boxes[:, 0] < left + x) & (left > 0)
    cut |= (boxes[:, 1] < top + y) & (top > 0)
    cut |= (boxes[:, 2] > right - x) & (right < size[1])
    cut |= (boxes[:, 3] > bottom - y) & (bottom < size[0])
    cuts: NDArray[np.int64] = cut.astype(np.int64)
    return cuts


@compiled
def is_covered(boxes: Any, labels: Any, steps: Any, min_cover: float) -> Any:
    """boxes (N, 4), labels (N,), steps (N,) -> (N,) whether a box of an earlier step covers `min_cover` of the box.

    A covered box covers no other.
    """
    covered = np.zeros(len(boxes), np.bool_)
    for step in (1, 2):
        for i in range(len(boxes)):
            if steps[i] != step:
                continue
            area = (boxes[i, 2] - boxes[i, 0]) * (boxes[i, 3] - boxes[i, 1])
            for j in range(len(boxes)):
                if steps[j] >= step or covered[j] or labels[j] != labels[i]:
                    continue
                width = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0])
                height = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1])
                if width > 0 and height > 0 and width * height >= min_cover * area:
                    covered[i] = True
                    break
    return covered
