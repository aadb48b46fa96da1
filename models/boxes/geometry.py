"""Box geometry: conversions, IoU, and the deltas between a reference box and its target.

Boxes are float pixels without a +1 width: xyxy (x1, y1, x2, y2) or cxcywh (centre, size). All functions are pure and
broadcast over leading dimensions; device and dtype follow the input.
"""

import math

import torch
from torch import Tensor

# `decode` clamps dw and dh to ±4.135, a factor of 1000/16, so that wild predictions early in training stay finite.
MAX_LOG_SCALE = math.log(1000 / 16)


def cxcywh_to_xyxy(boxes: Tensor) -> Tensor:
    """boxes (..., 4) cxcywh -> (..., 4) xyxy."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """boxes (..., 4) xyxy -> (..., 4) cxcywh."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low], dim=-1)


def area(boxes: Tensor) -> Tensor:
    """boxes (..., 4) xyxy -> (...); an inverted box (x2 < x1 or y2 < y1) has area 0."""
    size = (boxes[..., 2:] - boxes[..., :2]).clamp(min=0)
    return size[..., 0] * size[..., 1]


def intersection(boxes: Tensor, others: Tensor) -> Tensor:
    """Common area of every pair: boxes (N, 4) xyxy, others (M, 4) xyxy -> (N, M)."""
    x1, y1, x2, y2 = boxes.T.contiguous()[:, :, None]  # (N, 1) each; contiguous and in place: three times as fast
    other_x1, other_y1, other_x2, other_y2 = others.T.contiguous()[:, None]  # (1, M) each
    width = torch.minimum(x2, other_x2).sub_(torch.maximum(x1, other_x1)).clamp_(min=0)
    height = torch.minimum(y2, other_y2).sub_(torch.maximum(y1, other_y1)).clamp_(min=0)
    return width.mul_(height)


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU of every pair: boxes (N, 4) xyxy, others (M, 4) xyxy -> (N, M); 0 if both boxes are empty."""
    common = intersection(boxes, others)
    union = (area(boxes)[:, None] + area(others)).sub_(common)
    return common.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))


def encode(targets: Tensor, references: Tensor) -> Tensor:
    """Deltas from references to targets, both (..., 4) cxcywh -> (..., 4) (dx, dy, dw, dh).  # PASSD §5.1.1, eq. 1"""
    shift = (targets[..., :2] - references[..., :2]) / references[..., 2:]
    scale = torch.log(targets[..., 2:] / references[..., 2:])
    return torch.cat([shift, scale], dim=-1)


def decode(deltas: Tensor, references: Tensor) -> Tensor:
    """The inverse of `encode`: deltas (..., 4), references (..., 4) cxcywh -> boxes (..., 4) cxcywh."""
    centre = references[..., :2] + deltas[..., :2] * references[..., 2:]
    size = references[..., 2:] * deltas[..., 2:].clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp()
    return torch.cat([centre, size], dim=-1)
