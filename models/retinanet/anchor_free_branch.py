"""The feature selective anchor-free module (Zhu et al. 2019): one 3x3 convolution on each tower, and its loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.detector import Targets
from models.losses import at_least, count_per_process, focal, iou_loss
from models.retinanet.anchor_free_targets import Cells, cells_of, supervise
from models.retinanet.level_selection import LevelSelection, select_levels

NORMALISATION = 4.0  # FSAF §3.2, S
PRIOR_SCORE = 0.01  # FSAF §3.4, pi
BOX_BIAS = 0.1  # FSAF §3.4, b


@dataclass(frozen=True)
class AnchorFreePredictions:
    """Predictions for the N cells of all levels.

    logits (B, N, K); offsets (B, N, 4) before the ReLU, after which they are the distances to the left, top, right and
    bottom side in cells, divided by S; and the cells.
    """

    logits: Tensor
    offsets: Tensor
    cells: Cells


class AnchorFreeBranch(nn.Module):
    """K scores and one box at each cell of each level; all levels share the parameters.  # FSAF §3.1"""

    def __init__(
        self, channels: int, num_classes: int, strides: Sequence[int], level_selection: LevelSelection, weight: float
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.strides = tuple(strides)
        self.level_selection = level_selection
        self.weight = weight
        self.scores = nn.Conv2d(channels, num_classes, 3, padding=1)
        self.offsets = nn.Conv2d(channels, 4, 3, padding=1)
        for layer, bias in ((self.scores, -math.log((1 - PRIOR_SCORE) / PRIOR_SCORE)), (self.offsets, BOX_BIAS)):
            nn.init.normal_(layer.weight, std=0.01)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, bias)

    def forward(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor]) -> AnchorFreePredictions:
        """Outputs of the towers, one (B, channels, H_l, W_l) for each level -> predictions of all levels."""
        logits = torch.cat([self.scores(x).flatten(2) for x in class_maps], dim=2)  # (B, K, N)
        offsets = torch.cat([self.offsets(x).flatten(2) for x in box_maps], dim=2)
        map_sizes = tuple((x.shape[2], x.shape[3]) for x in class_maps)
        cells = cells_of(map_sizes, self.strides, logits.device)
        return AnchorFreePredictions(logits.mT.float(), offsets.mT.float(), cells)

    def boxes(self, distances: Tensor, cells: Cells) -> Tensor:
        """(B, N, 4) xyxy in input pixels, not clipped: S times the distances from the cell's centre.  # FSAF §3.2"""
        pixels = distances * NORMALISATION * cells.stride[:, None]
        centres = cells.centres
        return torch.cat([centres - pixels[..., :2], centres + pixels[..., 2:]], dim=2)

    def decode(self, predictions: AnchorFreePredictions) -> tuple[Tensor, Tensor]:
        """Boxes (B, N, 4) xyxy and scores (B, N, K); only the best class of a cell has a score above 0.  # FSAF §3.2"""
        best = predictions.logits.argmax(dim=2, keepdim=True)
        is_best = torch.arange(self.num_classes, device=best.device) == best
        boxes = self.boxes(F.relu(predictions.offsets), predictions.cells)
        return boxes, torch.where(is_best, predictions.logits.sigmoid(), 0.0)

    def loss(self, predictions: AnchorFreePredictions, targets: list[Targets]) -> dict[str, Tensor]:
        """Focal loss of all scores that are not ignored, and IoU loss of the positive cells.

        Both are divided by the number of positive cells in the mini-batch, as in Detectron. The paper divides in each
        image: there an image with one positive cell would count as much as any other.

        The ReLU passes the gradients that raise a negative output, or a box without width would never get one again.
        """
        boxes = self.boxes(at_least(predictions.offsets, predictions.offsets.new_zeros(())), predictions.cells)
        class_loss, box_loss = predictions.logits.new_zeros(()), predictions.logits.new_zeros(())
        positives = []
        for logits, own_boxes, target in zip(predictions.logits, boxes, targets, strict=True):
            levels = select_levels(self.level_selection, logits, own_boxes, target, predictions.cells)
            wanted = supervise(target, levels, predictions.cells, self.num_classes)
            class_loss = class_loss + focal(logits, wanted.classes).masked_fill(wanted.is_ignored, 0).sum()
            matched = target.boxes[wanted.instance] if len(levels) else own_boxes.detach()
            box_loss = box_loss + iou_loss(own_boxes, matched).where(wanted.is_positive, 0).sum()
            positives.append(wanted.is_positive)
        scale = self.weight / count_per_process(torch.stack(positives))
        return {"cell_scores": class_loss * scale, "cell_boxes": box_loss * scale}
