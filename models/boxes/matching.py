"""Matching: assigns boxes to objects, and chooses the negatives that count in the loss."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes.geometry import iou


@dataclass(frozen=True)
class Matches:
    """The object of each of N boxes: index (N) int64, valid only for boxes with is_positive (N) bool."""

    index: Tensor
    is_positive: Tensor


@torch.no_grad()
def match(boxes: Tensor, ground_truth: Tensor, iou_threshold: float, force_best: bool) -> Matches:
    """Match boxes (N, 4) xyxy to ground truth (M, 4) xyxy: positive if the IoU is above `iou_threshold`.  # PASSD §5

    With `force_best` each object also gets the box with the highest IoU, however low it is, as in SSD: the IoU of a
    square box and an object of aspect ratio above 2.25 never reaches 0.5. If two objects have the same best box, the
    later object gets it.
    """
    if len(ground_truth) == 0:
        index = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        return Matches(index, torch.zeros_like(index, dtype=torch.bool))
    overlaps = iou(boxes, ground_truth)  # (N, M)
    best, index = overlaps.max(dim=1)
    is_positive = best > iou_threshold
    if force_best:
        for m, n in enumerate(overlaps.argmax(dim=0).tolist()):
            index[n] = m
            is_positive[n] = True
    return Matches(index, is_positive)


@dataclass(frozen=True)
class AnchorMatches:
    """For each of N anchors: index (N) int64 of the object with the highest IoU; is_positive, is_ignored (N) bool."""

    index: Tensor
    is_positive: Tensor
    is_ignored: Tensor


@torch.no_grad()
def match_anchors(
    boxes: Tensor, ground_truth: Tensor, positive_iou: float, negative_iou: float, force_best: bool
) -> AnchorMatches:
    """Match boxes (N, 4) xyxy to ground truth (M, 4) xyxy.  # Lin et al. 2017 (RetinaNet), §4

    A box is positive if its highest IoU is at least `positive_iou`, negative if it is below `negative_iou`, and ignored
    in between. With `force_best` the boxes with an object's highest IoU, ties included, are positive however low it is,
    as in Detectron; each still learns the object with which its own IoU is highest.
    """
    if len(ground_truth) == 0:
        index = torch.zeros(len(boxes), dtype=torch.int64, device=boxes.device)
        nothing = torch.zeros_like(index, dtype=torch.bool)
        return AnchorMatches(index, nothing, nothing)
    overlaps = iou(boxes, ground_truth)  # (N, M)
    best, index = overlaps.max(dim=1)
    is_positive = best >= positive_iou
    if force_best:
        highest = overlaps.amax(dim=0)  # (M,)
        is_positive |= ((overlaps == highest) & (highest > 0)).any(dim=1)
    return AnchorMatches(index, is_positive, (best >= negative_iou) & ~is_positive)


@torch.no_grad()
def hard_negatives(losses: Tensor, is_positive: Tensor, ratio: int) -> Tensor:
    """The negatives with the largest loss, at most `ratio` per positive of the same image.  # PASSD §6.1, SSD

    losses (B, N), is_positive (B, N) bool -> (B, N) bool. An image without positives contributes no negatives.
    """
    ranked = losses.detach().masked_fill(is_positive, -torch.inf)
    rank = ranked.argsort(dim=1, descending=True).argsort(dim=1)
    quota = (ratio * is_positive.sum(dim=1, keepdim=True)).clamp(max=losses.shape[1])
    return (rank < quota) & ~is_positive
