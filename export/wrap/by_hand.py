"""What a bundle's graph computes, written a second time in NumPy; wrap compares the graph with it.

It shares no code with the graph: it runs the original model on one image and follows each project's own
post-processing.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.wrap.decoders import DecodedBoxes, Decoder, DetrQueries, EndToEndRows, YoloRows, YoloxRows
from export.wrap.foreign_model import MASK, ForeignModel
from export.wrap.normalisation import Normalisation
from service.engines.protocol import Candidates

Array = NDArray[Any]


def feeds(model: ForeignModel, normalisation: Normalisation, pixels: NDArray[np.uint8]) -> dict[str, Array]:
    """The inputs of the original model for one image uint8 (H, W, 3) RGB of the input's size."""
    height, width = pixels.shape[:2]
    image = pixels[:, :, ::-1] if normalisation.channels == "bgr" else pixels
    floats: Array = image.astype(np.float32)
    if normalisation.scale == "0-1":
        floats = floats / np.float32(255)
    if normalisation.has_statistics:
        floats = (floats - np.array(normalisation.mean, np.float32)) / np.array(normalisation.std, np.float32)
    if model.images.axes != "NHWC":
        floats = np.transpose(floats, (2, 0, 1))
    if model.images.axes != "CHW":
        floats = floats[None]
    found = {model.images.name: np.ascontiguousarray(floats.astype(model.images.dtype))}
    for further in model.further:
        value = np.ones((1, height, width)) if further.name == MASK else np.array([[width, height]])
        found[further.name] = value.astype(further.dtype)
    return found


def candidates(decoder: Decoder, outputs: list[Array]) -> Candidates:
    """The candidates that a decoder must give for the outputs of one image."""
    first = [np.asarray(output, np.float32) for output in outputs]
    match decoder:
        case YoloRows():
            rows = first[0][0].T if decoder.channels_first else first[0][0]
            own = rows[:, 4:]
            boxes, scores = corners(rows[:, :4]), own[:, :1] * own[:, 1:] if decoder.has_objectness else own
            found = pairs(boxes, scores)
        case YoloxRows():
            found = yolox_pairs(decoder, first[0][0])
        case DetrQueries():
            logits, boxes = first[0][0], corners(first[1][0]) * decoder.size.numpy()
            if decoder.activation == "sigmoid":
                found = pairs(boxes, (1 / (1 + np.exp(-logits)))[:, : decoder.num_classes])
            else:
                powers = np.exp(logits - logits.max(axis=1, keepdims=True))
                scores = (powers / powers.sum(axis=1, keepdims=True))[:, : decoder.num_classes]
                found = boxes, scores.max(axis=1), scores.argmax(axis=1)
        case EndToEndRows():
            found = first[0][0][:, :4], first[0][0][:, 4], first[0][0][:, 5]
        case DecodedBoxes():
            boxes, scores, labels = (output[0] for output in first) if decoder.has_batch_axis else first
            if decoder.coordinates == "yxyx in 0…1":
                boxes = boxes[:, [1, 0, 3, 2]] * decoder.size.numpy()
            found = boxes, scores, labels - decoder.first_label
    return best(*found, decoder.max_candidates)


def yolox_pairs(decoder: YoloxRows, rows: Array) -> tuple[Array, Array, Array]:
    """Cell by cell, as YOLOX's own demo decodes its rows (N, 5+K)."""
    boxes = np.empty((len(rows), 4), np.float32)
    index = 0
    for level in decoder.levels:
        for y in range(level.rows):
            for x in range(level.columns):
                across, down, log_width, log_height = rows[index, :4]
                centre_x, centre_y = (across + x) * level.stride, (down + y) * level.stride
                width, height = np.exp(log_width) * level.stride, np.exp(log_height) * level.stride
                boxes[index] = centre_x - width / 2, centre_y - height / 2, centre_x + width / 2, centre_y + height / 2
                index += 1
    return pairs(boxes, rows[:, 4:5] * rows[:, 5:])


def corners(boxes: Array) -> Array:
    """cxcywh -> xyxy."""
    return np.stack(
        [
            boxes[:, 0] - boxes[:, 2] / 2,
            boxes[:, 1] - boxes[:, 3] / 2,
            boxes[:, 0] + boxes[:, 2] / 2,
            boxes[:, 1] + boxes[:, 3] / 2,
        ],
        axis=1,
    )


def pairs(boxes: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Each pair of a box (N, 4) and a class, by scores (N, K) -> boxes (N*K, 4), scores and labels (N*K)."""
    num_boxes, num_classes = scores.shape
    return np.repeat(boxes, num_classes, axis=0), scores.reshape(-1), np.tile(np.arange(num_classes), num_boxes)


def best(boxes: Array, scores: Array, labels: Array, count: int) -> Candidates:
    """The `count` best rows as the candidates of one image, padded with rows of score 0."""
    order = [row for row in np.argsort(-scores, kind="stable")[:count] if scores[row] > 0]
    found = Candidates(
        np.zeros((1, count, 4), np.float32), np.zeros((1, count), np.float32), np.zeros((1, count), np.int32)
    )
    found.boxes[0, : len(order)] = boxes[order]
    found.scores[0, : len(order)] = scores[order]
    found.labels[0, : len(order)] = labels[order]
    return found
