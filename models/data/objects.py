"""The objects of a training image, which augmentation moves with the image."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data.data_set import Boxes, Labels, Sample


@dataclass(frozen=True)
class Objects:
    """boxes (M, 4) xyxy in pixels of the image, labels (M); ignored (I, 4), the areas of crowds."""

    boxes: Boxes
    labels: Labels
    ignored: Boxes

    def map(self, function: Callable[[Boxes], Boxes]) -> "Objects":
        """The objects after a function of boxes, which keeps their number."""
        return Objects(function(self.boxes), self.labels, function(self.ignored))

    def inside(self, window: tuple[float, float, float, float]) -> "Objects":
        """The objects with their centre inside a window xyxy, and the ignored areas that overlap it; clipped to it."""
        low, high = np.array(window[:2], np.float32), np.array(window[2:], np.float32)
        clipped, ignored = (clip(boxes, low, high) for boxes in (self.boxes, self.ignored))
        is_kept = is_centre_inside(self.boxes, low, high)
        overlaps = (ignored[:, 2:] > ignored[:, :2]).all(axis=1)
        return Objects(clipped[is_kept], self.labels[is_kept], ignored[overlaps])


def objects_of(sample: Sample) -> Objects:
    """The objects to train on: difficult ones as any other, as in SSD's code; crowds are ignored areas."""
    return Objects(sample.boxes[~sample.is_crowd], sample.labels[~sample.is_crowd], sample.boxes[sample.is_crowd])


def is_centre_inside(boxes: Boxes, low: Boxes, high: Boxes) -> NDArray[np.bool_]:
    """Whether the centre of each of boxes (M, 4) lies between the corners low (2) and high (2) of a window -> (M)."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    return np.asarray(((centres > low) & (centres < high)).all(axis=1))


def clip(boxes: Boxes, low: Boxes, high: Boxes) -> Boxes:
    return np.concatenate([np.maximum(boxes[:, :2], low), np.minimum(boxes[:, 2:], high)], axis=1)
