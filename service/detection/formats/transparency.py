"""Pixels with an alpha channel, and grey ones, as RGB."""

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_PIXELS = 2**16  # the products of a strip stay in the CPU's cache, and need little memory


def grey_to_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """grey uint8 [H, W] -> uint8 [H, W, 3]."""
    rgb: NDArray[np.uint8] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return rgb


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgba uint8 [H, W, 4] -> uint8 [H, W, 3], transparent pixels blended with white, as on a web page."""
    if rgba[..., 3].min() == 255:
        return rgba[..., :3]
    height, width = rgba.shape[:2]
    rgb = np.empty((height, width, 3), np.uint8)
    num_rows = max(1, STRIP_PIXELS // width)
    for start in range(0, height, num_rows):
        strip = rgba[start : start + num_rows].astype(np.uint16)
        alpha = strip[..., 3:]
        blended = strip[..., :3] * alpha + (255 - alpha) * 255 + 128
        rgb[start : start + num_rows] = (blended + (blended >> 8)) >> 8  # divided by 255, and rounded
    return rgb
