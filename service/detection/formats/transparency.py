"""Pixels with an alpha channel, and grey ones, as RGB."""

import cv2
import numpy as np
from numpy.typing import NDArray

STRIP_PIXELS = 2**15  # the products of a strip stay in the CPU's cache, and need little memory


def grey_to_rgb(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """grey uint8 [H, W] -> uint8 [H, W, 3]."""
    rgb: NDArray[np.uint8] = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    return rgb


def over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgba uint8 [H, W, 4] -> uint8 [H, W, 3], transparent pixels blended with white, as on a web page."""
    if rgba[..., 3].min() < 255:
        return _multiplied(rgba, is_over_white=True)
    rgb: NDArray[np.uint8] = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    return rgb


def times_fourth(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 [H, W, 4] -> uint8 [H, W, 3]: the product of each channel and the fourth, with 255 as one."""
    return _multiplied(pixels, is_over_white=False)


def _multiplied(pixels: NDArray[np.uint8], *, is_over_white: bool) -> NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    rgb = np.empty((height, width, 3), np.uint8)
    num_rows = max(1, STRIP_PIXELS // width)
    for start in range(0, height, num_rows):
        *channels, fourth = cv2.split(pixels[start : start + num_rows])
        factor = fourth.astype(np.uint16)
        rest = (255 - factor) * 255 + 128 if is_over_white else np.uint16(128)
        products = []
        for channel in channels:
            product = channel * factor + rest
            product += product >> 8
            products.append((product >> 8).astype(np.uint8))  # divided by 255, and rounded
        cv2.merge(products, rgb[start : start + num_rows])
    return rgb
