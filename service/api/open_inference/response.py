"""The output tensors of an inference response."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import ImageError
from service.repository.image_job import Outcome
from service.repository.served_model import ServedModel

OUTPUTS = [
    {"name": "boxes", "datatype": "FP32", "shape": [-1, -1, 4]},
    {"name": "scores", "datatype": "FP32", "shape": [-1, -1]},
    {"name": "labels", "datatype": "INT32", "shape": [-1, -1]},
    {"name": "class_names", "datatype": "BYTES", "shape": [-1, -1]},
    {"name": "num_detections", "datatype": "INT32", "shape": [-1]},
]
Tensors = dict[str, NDArray[Any] | list[list[str]]]  # by name: an array, or rows of strings, which are a BYTES tensor
OUTPUT_NAMES = [str(output["name"]) for output in OUTPUTS]


def whole(outcomes: Sequence[Outcome | ImageError]) -> list[Outcome]:
    """The outcomes, if every image has one; raises the first ImageError otherwise, with the image's number."""
    good = []
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, ImageError):
            raise ImageError(outcome.status, f"image {number}: {outcome}")
        good.append(outcome)
    return good


def tensors_of(model: ServedModel, outcomes: Sequence[Outcome]) -> Tensors:
    """The output tensors; the rows of each image are padded to the largest number of detections."""
    counts = [len(outcome.detections) for outcome in outcomes]
    longest = max(counts)
    boxes = np.zeros((len(outcomes), longest, 4), np.float32)
    scores = np.zeros((len(outcomes), longest), np.float32)
    labels = np.full((len(outcomes), longest), -1, np.int32)
    for row, (outcome, count) in enumerate(zip(outcomes, counts, strict=True)):
        boxes[row, :count] = outcome.detections.boxes
        scores[row, :count] = outcome.detections.scores
        labels[row, :count] = outcome.detections.labels
    names = [[model.classes[label] if label >= 0 else "" for label in row] for row in labels.tolist()]
    return {
        "boxes": boxes,
        "scores": scores,
        "labels": labels,
        "class_names": names,
        "num_detections": np.array(counts, np.int32),
    }
