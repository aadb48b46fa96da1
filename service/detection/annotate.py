"""Draws detections on their image."""

from collections.abc import Sequence

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from service.detection.postprocess import Detections

# the eight colours of Okabe and Ito without black: colour-blind people can tell them apart
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
JPEG_QUALITY = 90
MAX_SIDE = 65_500  # pixels of a JPEG's height and width in libjpeg


def annotate(image: NDArray[np.uint8], detections: Detections, classes: Sequence[str]) -> bytes:
    """image uint8 [H, W, 3] RGB and its detections in image pixels -> a JPEG file with boxes, names and scores."""
    canvas = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 400))
    font_scale = max(0.35, thickness * 0.4)
    inside = np.clip(detections.boxes, 0, np.array(image.shape[1::-1] * 2))  # candidates may extend beyond the image
    rows = zip(inside.tolist(), detections.labels.tolist(), detections.scores.tolist(), strict=True)
    for (x1, y1, x2, y2), label, score in rows:
        colour = COLOURS[label % len(COLOURS)]
        left, top = round(x1), round(y1)
        cv2.rectangle(canvas, (left, top), (round(x2), round(y2)), colour, thickness, cv2.LINE_AA)
        text = f"{classes[label]} {score:.2f}"
        (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font_scale, thickness)
        base = max(top, height + below)
        cv2.rectangle(canvas, (left, base - height - below), (left + width, base), colour, cv2.FILLED)
        origin = (left, base - below // 2)
        cv2.putText(canvas, text, origin, cv2.FONT_HERSHEY_SIMPLEX, font_scale, (0, 0, 0), thickness, cv2.LINE_AA)
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(canvas), quality=JPEG_QUALITY)
    return encoded
