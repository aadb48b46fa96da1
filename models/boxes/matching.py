"""Matching: assigns boxes to objects, and chooses the negatives that count in the loss.

The functions take a whole batch. The ground truth is a list with the boxes of each image, M in all; an object is named
by its place among these M.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes.geometry import area, intersection, iou

SMALLEST_OVERLAP = 1e-6  # as in SSD's code: an object is not matched with a box below this IoU
INSIDE = 0.5  # the share of its own area with which a box counts as inside another one


@dataclass(frozen=True)
class Matches:
    """The object of each box: index (B, N) int64, valid only for boxes with is_positive (B, N) bool.

    is_ignored (B, N) bool: boxes that are neither positive nor negative.
    """

    index: Tensor
    is_positive: Tensor
    is_ignored: Tensor


@torch.no_grad()
def match(
    boxes: Tensor,
    ground_truth: Sequence[Tensor],
    iou_threshold: float,
    force_best: bool,
    ignored: Sequence[Tensor] = (),
) -> Matches:
    """Match boxes (B, N, 4) xyxy to ground truth (M_b, 4) xyxy: positive if the IoU is above `iou_threshold`.

    All other boxes that are mostly inside one of the `ignored` areas (I_b, 4) xyxy of their image are ignored.

    With `force_best` each object that overlaps a box also gets a box of its own, however low the IoU is, as in SSD: the
    IoU of a square box and an object of aspect ratio above 2.25 never reaches 0.5.  # PASSD §5
    """
    overlaps = _overlaps(boxes, ground_truth)
    best, index = _best_objects(overlaps, ground_truth)
    is_positive = best > iou_threshold
    if force_best:
        forced = forced_objects(overlaps, _image_of(ground_truth), len(ground_truth))
        index, is_positive = torch.where(forced >= 0, forced, index), is_positive | (forced >= 0)
    return Matches(index, is_positive, mostly_inside(boxes, ignored) & ~is_positive)


@torch.no_grad()
def match_anchors(
    boxes: Tensor,
    ground_truth: Sequence[Tensor],
    positive_iou: float,
    negative_iou: float,
    force_best: bool,
    ignored: Sequence[Tensor] = (),
) -> Matches:
    """Match boxes (B, N, 4) xyxy to ground truth (M_b, 4) xyxy.  # Lin et al. 2017 (RetinaNet), §4

    A box is positive if its highest IoU is at least `positive_iou` and negative if it is below `negative_iou`. It is
    ignored in between, or if it is mostly inside one of the `ignored` areas (I_b, 4) of its image. With `force_best`
    the boxes with an object's highest IoU, ties included, are positive however low it is, as in Detectron; each learns
    the object with which its own IoU is highest. In Detectron this may leave an object without a box that learns it.
    Here each object that overlaps a box also gets one of its own.
    """
    overlaps = _overlaps(boxes, ground_truth)
    best, index = _best_objects(overlaps, ground_truth)
    is_positive = best >= positive_iou
    if force_best:
        highest = overlaps.amax(dim=1, keepdim=True)  # (M, 1)
        is_best = (overlaps == highest) & (highest > SMALLEST_OVERLAP)
        counts = [len(own) for own in ground_truth]
        is_positive |= torch.stack([own.any(dim=0) for own in torch.split(is_best, counts)])
        forced = forced_objects(overlaps, _image_of(ground_truth), len(ground_truth))
        index, is_positive = torch.where(forced >= 0, forced, index), is_positive | (forced >= 0)
    is_ignored = (best >= negative_iou) | mostly_inside(boxes, ignored)
    return Matches(index, is_positive, is_ignored & ~is_positive)


def forced_objects(overlaps: Tensor, image: Tensor, num_images: int) -> Tensor:
    """The object that gets each box as its own: overlaps (M, N), image (M) of each object -> (B, N) int64; -1 if none.

    It is SSD's bipartite matching: again and again, the pair with the highest IoU among the objects and the boxes of an
    image that have no partner become partners. Of equal pairs the first object has precedence, then the first box.

    Here all objects ask for their best box at once. A box takes the object with the highest IoU; each other object asks
    for its next best. Both sides rank by the same IoU, so the result is the same (Gale and Shapley 1962), after as many
    rounds as objects of one image compete for the same boxes, which are few.
    """
    num_boxes = overlaps.shape[1]
    objects = torch.arange(len(overlaps), device=overlaps.device)
    if not len(overlaps):
        return torch.full((num_images, num_boxes), -1, device=overlaps.device)
    best, box = overlaps.max(dim=1)  # (M,) each
    while True:
        place = torch.where(best > SMALLEST_OVERLAP, image * num_boxes + box, -1 - objects)  # no two without a box meet
        order = best.argsort(descending=True, stable=True)
        order = order[place[order].argsort(stable=True)]  # by place, then by falling IoU, then by object
        is_refused = place[order[1:]] == place[order[:-1]]
        refused = order[1:][is_refused]
        if not len(refused):
            break
        overlaps = overlaps.index_put((refused, box[refused]), overlaps.new_zeros(()))
        best[refused], box[refused] = overlaps[refused].max(dim=1)
    forced = place.new_full((num_images * num_boxes + 1,), -1)
    forced[torch.where(place >= 0, place, num_images * num_boxes)] = objects  # the last place is a waste bin
    return forced[:-1].view(num_images, num_boxes)


@torch.no_grad()
def mostly_inside(boxes: Tensor, areas: Sequence[Tensor]) -> Tensor:
    """Whether at least half of a box lies inside one of its image's areas: boxes (B, N, 4), areas (I_b, 4) -> (B, N).

    All are xyxy. A box without area is inside nothing. Without areas this costs no pass over the boxes.
    """
    is_inside = torch.zeros(boxes.shape[:2], dtype=torch.bool, device=boxes.device)
    for image, own in enumerate(areas):
        if len(own):
            size = area(boxes[image])
            is_inside[image] = ((intersection(own, boxes[image]) >= INSIDE * size) & (size > 0)).any(dim=0)
    return is_inside


@torch.no_grad()
def hard_negatives(losses: Tensor, is_negative: Tensor, quota: Tensor) -> Tensor:
    """The negatives with the largest loss, at most `quota` of each image.  # PASSD §6.1, SSD

    losses (B, N), is_negative (B, N) bool, quota (B, 1) int64 -> (B, N) bool.
    """
    order = losses.detach().masked_fill(~is_negative, -torch.inf).argsort(dim=1, descending=True)
    is_within = torch.arange(losses.shape[1], device=losses.device) < quota  # (B, N), by rank
    return torch.zeros_like(is_negative).scatter(1, order, is_within) & is_negative


def _overlaps(boxes: Tensor, ground_truth: Sequence[Tensor]) -> Tensor:
    """The IoU of each object and each box of its image -> (M, N)."""
    return torch.cat([iou(own, image_boxes) for own, image_boxes in zip(ground_truth, boxes, strict=True)])


def _best_objects(overlaps: Tensor, ground_truth: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The highest IoU of each box and the object that has it, or 0 and object 0 without objects -> (B, N) each."""
    best = overlaps.new_zeros(len(ground_truth), overlaps.shape[1])
    index = torch.zeros_like(best, dtype=torch.int64)
    start = 0
    for image, own in enumerate(torch.split(overlaps, [len(boxes) for boxes in ground_truth])):
        if len(own):
            best[image], index[image] = own.max(dim=0)
            index[image] += start
        start += len(own)
    return best, index


def _image_of(ground_truth: Sequence[Tensor]) -> Tensor:
    """The image of each object -> (M) int64."""
    parts = [own.new_full((len(own),), image, dtype=torch.int64) for image, own in enumerate(ground_truth)]
    return torch.cat(parts)
