"""Draws detections on their image."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from service.detection.postprocess import Detections

# the eight colours of Okabe and Ito without black: colour-blind people can tell them apart
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
JPEG_QUALITY = 90
MAX_SIDE = 65_500  # pixels of a JPEG's height and width in libjpeg
PIXELS_A_LINE = 300  # of the shorter side, for each pixel of a line's thickness
MAX_THICKNESS = 8  # the time of a text grows with the square of its size
MAX_NAME = 40  # characters


def annotate(
    image: NDArray[np.uint8],
    detections: Detections,
    classes: Sequence[str],
    check: Callable[[], None] = lambda: None,
    side: int | None = None,
) -> bytes:
    """image uint8 [H, W, 3] RGB and its detections in image pixels -> a JPEG file with boxes, names and scores.

    It draws on the image itself if that can be written. The time is bounded by the number of pixels and of detections.
    `check` is called between the steps; an error that it raises ends the drawing. Lines and texts suit an image whose
    shorter side has `side` pixels; None is the side of this image.
    """
    canvas = np.require(image, requirements=["C", "W"])
    thickness = min(max(1, round((side or min(image.shape[:2])) / PIXELS_A_LINE)), MAX_THICKNESS)
    font_scale = max(0.35, thickness * 0.4)
    inside = np.clip(
        detections.boxes, 0, np.array(image.shape[1::-1] * 2) - 1
    )  # candidates may extend beyond the image
    rows = zip(inside.tolist(), detections.labels.tolist(), detections.scores.tolist(), strict=True)
    for (x1, y1, x2, y2), label, score in rows:
        check()
        colour = COLOURS[label % len(COLOURS)]
        left, top = round(x1), round(y1)
        cv2.rectangle(canvas, (left, top), (round(x2), round(y2)), colour, thickness)
        text = f"{classes[label][:MAX_NAME]} {score:.2f}"
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font_scale, thickness)
        base = max(top, height + below)
        cv2.rectangle(canvas, (left, base - height - below), (left + width, base), colour, cv2.FILLED)
        origin = (left, base - below // 2)
        cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, font_scale, (0, 0, 0), thickness, cv2.LINE_AA)
    check()
    encoded: bytes = simplejpeg.encode_jpeg(canvas, quality=JPEG_QUALITY)
    return encoded
