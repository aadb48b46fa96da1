"""One image on its way through the server."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.detection.postprocess import Detections


@dataclass(frozen=True)
class Outcome:
    """One image's detections, the picture's size, when it began (time.monotonic()), and the seconds spent in each stage."""

    detections: Detections
    height: int
    width: int
    started: float
    seconds: dict[str, float]


@dataclass(frozen=True)
class _Prepared:
    pixels: NDArray[np.uint8]  # [h, w, 3]
    size: tuple[int, int]  # (height, width) of the picture
