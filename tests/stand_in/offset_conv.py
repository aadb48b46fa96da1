"""The arithmetic of service/engines/tensorrt/offset_conv.cu in NumPy, for a machine without a GPU."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def offset_conv(z: NDArray[Any], geometry: Floats, bias: NDArray[Any], boxes: int) -> Floats:
    """z (B, A*9*O, H, W), geometry (B, A*4, H, W), bias (A*O,) -> y float32 (B, A*O, H, W); `boxes` is A."""
    batch, _, height, width = z.shape
    filters = len(bias) // boxes
    planes = z.astype(np.float32).reshape(batch, boxes, 9, filters, height * width)
    places = geometry.reshape(batch, boxes, 4, height, width)
    centre_y = np.arange(height, dtype=np.float32)[:, None] + places[:, :, 0]
    centre_x = np.arange(width, dtype=np.float32) + places[:, :, 1]
    y = np.zeros((batch, boxes, filters, height * width), np.float32)
    for tap, (r_y, r_x) in enumerate(product((-1, 0, 1), repeat=2)):
        rows = neighbours(centre_y + np.float32(r_y) * places[:, :, 2] / np.float32(3), height)
        columns = neighbours(centre_x + np.float32(r_x) * places[:, :, 3] / np.float32(3), width)
        for (row, row_weight), (column, column_weight) in product(rows, columns):
            index = (row * width + column).reshape(batch, boxes, 1, -1)
            weight = (row_weight * column_weight).reshape(batch, boxes, 1, -1)
            y += weight * np.take_along_axis(planes[:, :, tap], index, axis=3)
    y += bias.astype(np.float32).reshape(boxes, filters, 1)
    return y.reshape(batch, boxes * filters, height, width)


def neighbours(position: Floats, extent: int) -> list[tuple[NDArray[np.int64], Floats]]:
    """The two cells beside each position, inside the map, with their weights; 0 for a cell outside of the map."""
    is_inside = (position > -1) & (position < extent)  # False for NaN
    position = np.where(is_inside, position, np.float32(0))
    low = np.floor(position)
    fraction = position - low
    pairs = []
    for cell, weight in ((low, 1 - fraction), (low + 1, fraction)):
        counts = is_inside & (cell >= 0) & (cell < extent)
        pairs.append((np.clip(cell, 0, extent - 1).astype(np.int64), np.where(counts, weight, np.float32(0))))
    return pairs
