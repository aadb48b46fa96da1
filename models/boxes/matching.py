"""Which boxes learn from which object, and which negatives count."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes.geometry import iou


@dataclass(frozen=True)
class Matches:
    """For each of N boxes the ground truth it belongs to: index (N) int64, valid where is_positive (N) bool."""

    index: Tensor
    is_positive: Tensor


@torch.no_grad()
def match(boxes: Tensor, ground_truth: Tensor, iou_threshold: float, force_best: bool) -> Matches:
    """Match boxes (N, 4) xyxy to ground truth (M, 4) xyxy: positive above `iou_threshold`.  # PASSD §5

    With `force_best` each ground truth also gets the box that overlaps it most, whatever the overlap, as in SSD: a
    square box never overlaps an object of aspect ratio above 2.25 by half. Where two objects share their best box, the
    later one gets it.
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
    """For each of N anchors: index (N) int64 of the object it overlaps most, is_positive (N) bool, is_ignored (N) bool."""

    index: Tensor
    is_positive: Tensor
    is_ignored: Tensor


@torch.no_grad()
def match_anchors(
    boxes: Tensor, ground_truth: Tensor, positive_iou: float, negative_iou: float, force_best: bool
) -> AnchorMatches:
    """Match boxes (N, 4) xyxy to ground truth (M, 4) xyxy.  # Lin et al. 2017 (RetinaNet), §4

    Positive from `positive_iou`, negative below `negative_iou`, ignored between. With `force_best` the boxes that overlap
    an object most, ties included, are positive whatever the overlap, as in Detectron; they learn the object that they
    themselves overlap most.
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

    losses (B, N), is_positive (B, N) bool -> (B, N) bool. An image without positives contributes none.
    """
    ranked = losses.detach().masked_fill(is_positive, -torch.inf)
    rank = ranked.argsort(dim=1, descending=True).argsort(dim=1)
    quota = (ratio * is_positive.sum(dim=1, keepdim=True)).clamp(max=losses.shape[1])
    return (rank < quota) & ~is_positive
