"""Checks of a wrapped detector: its numbers make sense, and its graph agrees with the original model."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.errors import ExportError
from export.parity import Difference, difference
from export.wrap.foreign_model import first_line, quiet_session
from service.bundle import InputSpec
from service.engines.protocol import Candidates, Engine
from service.engines.tensor_contract import IMAGES

HALF_ROUNDING = 2.0**-10  # of numbers in fp16, relative
MAX_SHARE_OUTSIDE = 0.5  # of the boxes; more show that the kind or the normalisation is not the model's
SMALLEST_SIDE = 2.0  # pixels; boxes whose sides are all shorter are probably in other units


@dataclass(frozen=True)
class Tolerance:
    """The largest difference that is allowed, boxes in pixels."""

    boxes: float = 1e-3
    scores: float = 1e-4

    def in_a_loop(self) -> "Tolerance":
        """For a graph in a loop, where ONNX Runtime computes convolutions by other kernels."""
        return Tolerance(max(self.boxes, 1e-2), self.scores)

    @classmethod
    def of(cls, *, is_half: bool, spec: InputSpec) -> "Tolerance":
        """For a model with weights in fp16, engines round at other places, because a CPU computes in fp32."""
        if not is_half:
            return cls()
        return cls(HALF_ROUNDING * max(spec.height, spec.width), 2 * HALF_ROUNDING)


def joined(images: Sequence[Candidates]) -> Candidates:
    """The candidates of several images, one after the other."""
    return Candidates(
        np.concatenate([image.boxes for image in images]),
        np.concatenate([image.scores for image in images]),
        np.concatenate([image.labels for image in images]),
    )


def check_numbers(outputs: Iterable[NDArray[Any]], found: Candidates, num_classes: int) -> None:
    """Raise ExportError if a model's outputs, or the candidates in them, are no numbers that a detector can give."""
    if any(np.isnan(output).any() for output in outputs) or not np.isfinite(found.boxes).all():
        raise ExportError(
            "the model gives NaN or infinite numbers; if it is in fp16, export it in fp32; else check --scale, --mean "
            "and --std"
        )
    highest = float(found.scores.max(initial=0))
    if highest > 1:
        raise ExportError(
            f"the model gives a score of {highest:.3g}, and a score is at most 1; its scores are logits, or it is of "
            "another --kind"
        )
    labels = found.labels[found.scores > 0]
    if labels.size and not 0 <= labels.min() <= labels.max() < num_classes:
        raise ExportError(
            f"the model gives labels from {labels.min()} to {labels.max()} (counted from 0), and --classes has "
            f"{num_classes} names; name every class of the model"
        )


def doubts(boxes: NDArray[np.float32], spec: InputSpec) -> str | None:
    """Why the boxes (D, 4) of detections are probably wrong, in words; None if they look right or there are none."""
    if not len(boxes):
        return None
    centres, sides = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    is_outside = ((centres < 0) | (centres > (spec.width, spec.height))).any(axis=1)
    if is_outside.mean() > MAX_SHARE_OUTSIDE:
        return f"{is_outside.sum()} of {len(boxes)} boxes lie outside the image"
    if sides.max() < SMALLEST_SIDE:
        return f"no box is larger than {sides.max():.2g} pixels; are its numbers in 0…1?"
    if (sides <= 0).any(axis=1).mean() > MAX_SHARE_OUTSIDE:
        return f"{(sides <= 0).any(axis=1).sum()} of {len(boxes)} boxes are empty; are their numbers in another order?"
    return None


def check_batch(model: bytes, images: NDArray[np.uint8]) -> None:
    """Raise ExportError unless ONNX Runtime runs all images at once, which most graphs for one image cannot, or one."""
    for batch in (images, images[:1]):
        try:
            quiet_session(model).run(None, {IMAGES: batch})
        except Exception as error:  # ONNX Runtime's own exceptions have no common base class
            raise ExportError(f"it cannot run a batch of {len(batch)} ({first_line(error)})") from error


def check_agreement(
    reference: Candidates, engine: Engine, images: NDArray[np.uint8], tolerance: Tolerance
) -> Difference:
    """How much an engine's candidates differ from those of the original model, for one image and for all together.

    Raises ExportError if they differ by more than rounding, or if the scores do not fall. The engine is closed.
    """
    with closing(engine):
        alone, together = engine(images[:1]), engine(images)
    if together.scores.shape != reference.scores.shape:
        raise ExportError(f"it gives scores {list(together.scores.shape)} for {len(images)} images")
    if not (np.diff(together.scores, axis=1) <= 0).all():
        raise ExportError("its scores do not fall")
    first = Candidates(reference.boxes[:1], reference.scores[:1], reference.labels[:1])
    found = difference(first, alone).joined(difference(reference, together))
    if found.exceeds(tolerance.boxes, tolerance.scores):
        raise ExportError(
            f"it differs from the model by {found}; allowed are {tolerance.boxes:.2g} px and {tolerance.scores:.2g}"
        )
    return found
