"""RetinaNet's anchor-based branch (Lin et al. 2017, §4): scores and deltas for nine anchors in each cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.boxes.anchors import Size, anchors
from models.boxes.geometry import cxcywh_to_xyxy, decode, encode, xyxy_to_cxcywh
from models.boxes.matching import match_anchors
from models.constants import built_once
from models.detector import Targets
from models.layers.convolution import initialise_new
from models.losses import box_regression, count_per_process, focal

BOX_SIZE = 4.0  # side of an anchor divided by its level's stride: 32 to 512 pixels on P3 to P7, RetinaNet §4
SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # RetinaNet §4
ASPECT_RATIOS = (0.5, 1.0, 2.0)  # RetinaNet §4
POSITIVE_IOU = 0.5  # RetinaNet §4
NEGATIVE_IOU = 0.4  # RetinaNet §4
PRIOR_SCORE = 0.01  # RetinaNet §4.1, pi
BETA = 1 / 9  # of smooth L1, as in Detectron; the paper gives no value


@dataclass(frozen=True)
class AnchorPredictions:
    """Predictions for the N anchors of all levels: logits (B, N, K); deltas (B, N, 4); anchors (N, 4) cxcywh.

    `level_sizes` gives the number of anchors of each level.
    """

    logits: Tensor
    deltas: Tensor
    anchors: Tensor
    level_sizes: tuple[int, ...]


class AnchorBranch(nn.Module):
    """K scores and 4 deltas for each anchor; all levels share the parameters."""

    def __init__(self, channels: int, num_classes: int, strides: Sequence[int], force_best_match: bool) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.strides = tuple(strides)
        self.force_best_match = force_best_match
        self.anchors_per_cell = len(SCALES) * len(ASPECT_RATIOS)
        self.scores = nn.Conv2d(channels, self.anchors_per_cell * num_classes, 3, padding=1)
        self.deltas = nn.Conv2d(channels, self.anchors_per_cell * 4, 3, padding=1)
        initialise_new(self)
        assert self.scores.bias is not None
        nn.init.constant_(self.scores.bias, -math.log((1 - PRIOR_SCORE) / PRIOR_SCORE))

    def forward(self, class_maps: Sequence[Tensor], box_maps: Sequence[Tensor]) -> AnchorPredictions:
        """Outputs of the towers, one (B, channels, H_l, W_l) for each level -> predictions of all levels."""
        logits = torch.cat([self.per_anchor(self.scores(x)) for x in class_maps], dim=1).float()
        deltas = torch.cat([self.per_anchor(self.deltas(x)) for x in box_maps], dim=1).float()
        map_sizes = tuple((x.shape[2], x.shape[3]) for x in class_maps)
        level_sizes = tuple(height * width * self.anchors_per_cell for height, width in map_sizes)
        return AnchorPredictions(logits, deltas, anchors_of(map_sizes, self.strides, logits.device), level_sizes)

    def per_anchor(self, output: Tensor) -> Tensor:
        """The output of a head (B, A*C, H, W) -> (B, H*W*A, C), in the order of the anchors."""
        channels = output.shape[1] // self.anchors_per_cell
        return output.permute(0, 2, 3, 1).reshape(output.shape[0], -1, channels)

    def decode(self, predictions: AnchorPredictions) -> tuple[Tensor, Tensor]:
        """Boxes (B, N, 4) xyxy in input pixels, not clipped, and scores (B, N, K)."""
        return cxcywh_to_xyxy(decode(predictions.deltas, predictions.anchors)), predictions.logits.sigmoid()

    def loss(self, predictions: AnchorPredictions, targets: list[Targets]) -> dict[str, Tensor]:
        """Focal loss of all anchors that are not ignored, and smooth L1 of the positives.

        Both are divided by the number of positives in the batch.
        """
        classes, deltas, is_positive, is_ignored = self.assign(predictions.anchors, targets)
        class_losses = focal(predictions.logits, classes).masked_fill(is_ignored[..., None], 0)
        return {
            "anchor_scores": class_losses.sum() / count_per_process(is_positive),
            "anchor_boxes": box_regression(predictions.deltas, deltas, is_positive, BETA),
        }

    @torch.no_grad()
    def assign(self, anchors: Tensor, targets: list[Targets]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """For anchors (N, 4): classes (B, N, K) of 0 and 1, deltas (B, N, 4), is_positive (B, N), is_ignored (B, N)."""
        ground_truth = [target.boxes for target in targets]
        matches = match_anchors(
            cxcywh_to_xyxy(anchors).expand(len(targets), -1, -1),
            ground_truth,
            POSITIVE_IOU,
            NEGATIVE_IOU,
            self.force_best_match,
            [target.ignored for target in targets],
        )
        classes = anchors.new_zeros(len(targets), len(anchors), self.num_classes)
        deltas = anchors.new_zeros(len(targets), len(anchors), 4)
        if any(map(len, ground_truth)):
            labels = torch.cat([target.labels for target in targets])[matches.index]  # (B, N)
            classes.scatter_(2, labels[..., None], matches.is_positive[..., None].to(classes.dtype))
            deltas = encode(xyxy_to_cxcywh(torch.cat(ground_truth))[matches.index], anchors)
        return classes, deltas, matches.is_positive, matches.is_ignored


@built_once
def anchors_of(map_sizes: tuple[Size, ...], strides: tuple[int, ...], device: torch.device) -> Tensor:
    """(N, 4) cxcywh in input pixels for levels of `map_sizes` (height, width)."""
    return anchors(map_sizes, strides, BOX_SIZE, SCALES, ASPECT_RATIOS).to(device)
