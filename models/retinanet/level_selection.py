"""The pyramid level that learns each object: FSAF's online selection, and the heuristic by size (FSAF §3.3)."""

import math
from typing import Literal

import torch
from torch import Tensor

from models.boxes.geometry import area
from models.detector import Targets
from models.losses import focal, iou_loss
from models.retinanet.anchor_free_targets import EFFECTIVE_SHARE, Cells, inside, raster

CANONICAL_SIZE = 224.0  # FSAF §3.3, eq. 3: the size of ImageNet's images
CANONICAL_LEVEL = 5  # FSAF §3.3, l_0: the level of objects of CANONICAL_SIZE

LevelSelection = Literal["online", "heuristic"]


def select_levels(selection: LevelSelection, logits: Tensor, boxes: Tensor, target: Targets, cells: Cells) -> Tensor:
    """The level of each of an image's M instances: logits (N, K), boxes (N, 4) -> (M) int64; 0 is the finest."""
    if len(target.boxes) == 0:
        return torch.zeros(0, dtype=torch.int64, device=logits.device)
    if selection == "heuristic":
        return heuristic_levels(target.boxes, int(math.log2(cells.strides[0])), len(cells.strides))
    return online_levels(instance_losses(logits, boxes, target, cells))


@torch.no_grad()
def instance_losses(logits: Tensor, boxes: Tensor, target: Targets, cells: Cells) -> Tensor:
    """Each instance's loss at each level: mean focal + mean IoU loss in its effective box.  # FSAF §3.3, eq. 1

    logits (N, K) and decoded boxes (N, 4) xyxy of one image; target with M instances -> (M, L). The focal loss of a
    cell is the sum over all K scores.
    """
    num_instances, num_levels = len(target.boxes), len(cells.strides)
    instance, cell = inside(raster(target.boxes, EFFECTIVE_SHARE, cells), cells).nonzero(as_tuple=True)  # (P,) each
    classes = torch.zeros_like(logits[cell]).scatter_(1, target.labels[instance, None], 1.0)
    losses = focal(logits[cell], classes).sum(dim=1) + iou_loss(boxes[cell], target.boxes[instance])  # (P,)
    index = instance * num_levels + cells.level[cell]
    total, count = (
        losses.new_zeros(num_instances * num_levels).index_add(0, index, own)
        for own in (losses, torch.ones_like(losses))
    )
    return (total / count).view(num_instances, num_levels)


def online_levels(losses: Tensor) -> Tensor:
    """The level with the smallest loss, or the finest of several: losses (M, L) -> (M) int64.  # FSAF §3.3, eq. 2"""
    return losses.argmin(dim=1)


def heuristic_levels(boxes: Tensor, finest: int, num_levels: int) -> Tensor:
    """The level that fits the size of the box: boxes (M, 4) xyxy -> (M) int64, 0 for P_finest.  # FSAF §3.3, eq. 3"""
    level = (CANONICAL_LEVEL + torch.log2(area(boxes).sqrt() / CANONICAL_SIZE)).floor()
    return (level - finest).clamp(0, num_levels - 1).long()
