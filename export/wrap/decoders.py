"""From the outputs of each kind of detector to a bundle's candidates; these modules are traced into the bundle's graph.

Each takes outputs of the model and returns boxes (B, T, 4) xyxy in input pixels, scores (B, T) in falling order and
labels (B, T) int32.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from export.wrap.cells import Level
from models.boxes.geometry import cxcywh_to_xyxy
from models.candidates import best_candidates

Activation = Literal["softmax", "sigmoid"]
Coordinates = Literal["xyxy in pixels", "yxyx in 0…1"]
Found = tuple[Tensor, Tensor, Tensor]


class YoloRows(nn.Module):
    """A head of YOLO (B, N, 4 or 5 + K), or with `channels_first` (B, 4 or 5 + K, N), boxes as cxcywh in pixels.

    With `has_objectness`, column 4 is the objectness, and a class's score is its product with the class's own column.
    """

    def __init__(self, *, has_objectness: bool, channels_first: bool, max_candidates: int) -> None:
        super().__init__()
        self.has_objectness = has_objectness
        self.channels_first = channels_first
        self.max_candidates = max_candidates

    def forward(self, rows: Tensor) -> Found:
        rows = rows.float()
        if self.channels_first:
            rows = rows.transpose(1, 2)
        scores = rows[..., 4:5] * rows[..., 5:] if self.has_objectness else rows[..., 4:]
        return best_candidates(cxcywh_to_xyxy(rows[..., :4]), scores, self.max_candidates)


class YoloxRows(nn.Module):
    """The raw head of YOLOX (B, N, 5+K): centres as offsets from their cell, and logarithms of sizes, in cells."""

    def __init__(self, levels: tuple[Level, ...], max_candidates: int) -> None:
        super().__init__()
        self.levels = levels
        self.max_candidates = max_candidates
        cells = [
            torch.stack(
                [
                    torch.arange(level.columns).repeat(level.rows),
                    torch.arange(level.rows).repeat_interleave(level.columns),
                ],
                dim=1,
            )
            for level in levels
        ]
        self.cells: Tensor
        self.strides: Tensor
        self.register_buffer("cells", torch.cat(cells).float())  # (N, 2) x and y
        strides = [torch.full((level.rows * level.columns, 1), float(level.stride)) for level in levels]
        self.register_buffer("strides", torch.cat(strides))  # (N, 1)

    def forward(self, rows: Tensor) -> Found:
        rows = rows.float()
        centres = (rows[..., :2] + self.cells) * self.strides  # YOLOX, demo/ONNXRuntime: demo_postprocess
        sizes = rows[..., 2:4].exp() * self.strides
        boxes = cxcywh_to_xyxy(torch.cat([centres, sizes], dim=2))
        return best_candidates(boxes, rows[..., 4:5] * rows[..., 5:], self.max_candidates)


class DetrQueries(nn.Module):
    """The queries of a DETR: logits (B, Q, C) and boxes (B, Q, 4), cxcywh in 0…1 of the input.

    With softmax, the last logit means that there is no object, and each query has one label, as in DETR. With sigmoid,
    each of the first `num_classes` logits is a candidate of its own, as in Deformable DETR, RT-DETR and RF-DETR.
    """

    def __init__(self, activation: Activation, num_classes: int, height: int, width: int, max_candidates: int) -> None:
        super().__init__()
        self.activation = activation
        self.num_classes = num_classes
        self.max_candidates = max_candidates
        self.size: Tensor
        self.register_buffer("size", torch.tensor([width, height, width, height], dtype=torch.float32))

    def forward(self, logits: Tensor, boxes: Tensor) -> Found:
        boxes = cxcywh_to_xyxy(boxes.float()) * self.size
        if self.activation == "sigmoid":
            scores = logits.float().sigmoid()[..., : self.num_classes]
            return best_candidates(boxes, scores, self.max_candidates)
        scores = logits.float().softmax(dim=2)[..., : self.num_classes]
        return ranked(boxes, scores.amax(dim=2), scores.argmax(dim=2), self.max_candidates)


class DecodedBoxes(nn.Module):
    """Boxes (B, D, 4), scores (B, D) and labels (B, D) of a model that has chosen them itself.

    `first_label` is the label of the first class. Without a batch axis, the outputs are those of one image.
    """

    def __init__(
        self,
        *,
        coordinates: Coordinates,
        first_label: int,
        height: int,
        width: int,
        max_candidates: int,
        has_batch_axis: bool = True,
    ) -> None:
        super().__init__()
        self.coordinates = coordinates
        self.first_label = first_label
        self.has_batch_axis = has_batch_axis
        self.max_candidates = max_candidates
        self.padding: Tensor
        self.register_buffer("padding", torch.zeros(max_candidates, 4))  # without a batch axis, D may be 0
        self.size: Tensor
        self.register_buffer("size", torch.tensor([width, height, width, height], dtype=torch.float32))

    def forward(self, boxes: Tensor, scores: Tensor, labels: Tensor) -> Found:
        if not self.has_batch_axis:
            boxes = torch.cat([boxes, self.padding.to(boxes.dtype)])[None]
            scores = torch.cat([scores, self.padding[:, 0].to(scores.dtype)])[None]
            labels = torch.cat([labels, self.padding[:, 0].to(labels.dtype)])[None]
        boxes = boxes.float()
        if self.coordinates == "yxyx in 0…1":
            boxes = boxes[..., [1, 0, 3, 2]] * self.size
        return ranked(boxes, scores.float(), labels - self.first_label, self.max_candidates)


class EndToEndRows(nn.Module):
    """Rows (B, D, 6) of x1 y1 x2 y2 in pixels, score and label, of a YOLO that has chosen them itself."""

    def __init__(self, max_candidates: int) -> None:
        super().__init__()
        self.max_candidates = max_candidates

    def forward(self, rows: Tensor) -> Found:
        found, scores, labels = ranked(rows.float(), rows[..., 4].float(), rows[..., 5], self.max_candidates)
        return found[..., :4], scores, labels


def ranked(boxes: Tensor, scores: Tensor, labels: Tensor, max_candidates: int) -> Found:
    """The T = `max_candidates` best of the boxes (B, D, 4), or longer rows, in falling order of their scores; D ≥ T.

    Rows of score 0 or less are padding, whose label may be any number.
    """
    scores, best = scores.clamp(min=0).topk(max_candidates, dim=1)
    boxes = boxes.gather(1, best[..., None].expand(-1, -1, boxes.shape[2]))
    labels = labels.gather(1, best).to(torch.int32)
    return boxes, scores, torch.where(scores > 0, labels, torch.zeros_like(labels))


Decoder = YoloRows | YoloxRows | DetrQueries | DecodedBoxes | EndToEndRows
