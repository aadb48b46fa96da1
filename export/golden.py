"""The golden image of a bundle: its file, and the detections that a server must find in it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from service.bundle import GoldenDetection, InputSpec, NmsDefaults
from service.detection.postprocess import default_options, postprocess
from service.engines.protocol import ImageCandidates

NUM_GOLDEN_OF_WEAK_MODEL = 3


def golden_detections(candidates: ImageCandidates, spec: InputSpec, nms: NmsDefaults) -> tuple[GoldenDetection, ...]:
    """The detections that a server must find in the golden image, which has these candidates.

    They are all detections above the default score threshold, and at least the NUM_GOLDEN_OF_WEAK_MODEL best ones.
    """
    options = default_options(nms.model_copy(update={"score_threshold": 0.0}))
    found = postprocess(candidates, options, spec, (spec.height, spec.width))
    count = max(int((found.scores >= nms.score_threshold).sum()), NUM_GOLDEN_OF_WEAK_MODEL)
    expected = []
    for box, score, label in zip(found.boxes[:count], found.scores[:count], found.labels[:count], strict=True):
        x1, y1, x2, y2 = (round(float(corner), 2) for corner in box)
        if x1 < x2 and y1 < y2:  # a box outside the image is clipped to an empty one, which overlaps with no other
            expected.append(GoldenDetection(label=int(label), score=round(float(score), 5), box=(x1, y1, x2, y2)))
    return tuple(expected)


def png(image: NDArray[np.uint8]) -> bytes:
    """image uint8 (H, W, 3) RGB as a PNG file."""
    ok, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 9])
    assert ok
    return encoded.tobytes()
