"""Large images in parts: the views of an image that the model sees.

A view is a rectangle of the image; the model sees each view at its own input size. The views are overlapping tiles, in
which small objects are large enough to be found, and the whole image, for objects that no tile holds.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.fit import fit

OVERLAP = 0.25  # of a tile's side, with each neighbour: an object up to that size is whole in at least one tile
# times the input's sides is an automatic tile: a picture of a data set for training is about as much larger
AUTO_FACTOR = 2

Tile = int | Literal["auto"]  # a side in pixels of the image; auto goes by the model's input
Size = tuple[int, int]  # height, width


def tile_size(tile: Tile, spec: InputSpec, size: Size, max_views: int | None = None) -> Size:
    """The (height, width) of the tiles of an image of `size`.

    Automatic tiles are AUTO_FACTOR times as large as the input, and twice that, again and again, until the image has at
    most `max_views`.
    """
    if tile != "auto":
        return tile, tile
    height, width = AUTO_FACTOR * spec.height, AUTO_FACTOR * spec.width
    while max_views is not None and num_views(size, (height, width)) > max(1, max_views):
        height, width = 2 * height, 2 * width
    return height, width


def views_of(size: Size, tile: Size) -> NDArray[np.int64]:
    """The views of an image of `size` in tiles of the size `tile` -> (V, 4) xyxy; the first is the whole image.

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


def num_views(size: Size, tile: Size) -> int:
    """The length of `views_of`, which may be too long to make."""
    count = num_starts(size[0], min(tile[0], size[0])) * num_starts(size[1], min(tile[1], size[1]))
    return 1 if count == 1 else 1 + count


def smallest_tile(sizes: Sequence[Size], max_views: int) -> int | None:
    """The least N for which the images have at most `max_views` together in tiles of N×N; None if there are more
    images.
    """
    if len(sizes) > max_views:
        return None
    low, high = 1, max(map(max, sizes))  # in tiles of `high`, each image has one view
    while low < high:
        middle = (low + high) // 2
        if sum(num_views(size, (middle, middle)) for size in sizes) > max_views:
            low = middle + 1
        else:
            high = middle
    return low


def fitted_views(image: NDArray[np.uint8], views: NDArray[np.int64], spec: InputSpec) -> Iterator[NDArray[np.uint8]]:
    """image uint8 [H, W, 3] and its views (V, 4) -> the pixels [h, w, 3] of each, as the engine takes them.

    They are made when they are taken: all of them may need gigabytes.
    """
    return (fit(image[top:bottom, left:right], spec) for left, top, right, bottom in views.tolist())


def shortest_side(views: NDArray[np.int64]) -> int:
    """The shorter side of the smallest of the views (V, 4), in pixels of the image."""
    return int((views[:, 2:] - views[:, :2]).min())


def starts(length: int, tile: int) -> NDArray[np.int64]:
    """Where tiles of `tile` pixels begin on a side of `length` pixels, which is at least as long."""
    return np.round(np.linspace(0, length - tile, num_starts(length, tile))).astype(np.int64)


def num_starts(length: int, tile: int) -> int:
    """How many tiles of `tile` pixels cover a side of `length` pixels, which is at least as long."""
    step = max(1, int(tile * (1 - OVERLAP)))
    return 1 + -(-(length - tile) // step)
