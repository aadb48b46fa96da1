"""The loss of one stage of SSD-like detectors: mined cross-entropy and smooth L1."""

import torch.nn.functional as F
from torch import Tensor

from models.matching import hard_negatives

NEGATIVES_PER_POSITIVE = 3  # PASSD §6.1: "at most 1:3"


def mined_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy over positives and their hard negatives, over the number of positives of the mini-batch.

    logits (B, N, C), labels (B, N) with 0 for background -> scalar; 0 when the batch has no positives. # PASSD §6.1
    """
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    is_positive = labels > 0
    kept = is_positive | hard_negatives(losses, is_positive, NEGATIVES_PER_POSITIVE)
    return (losses * kept).sum() / is_positive.sum().clamp(min=1)


def box_regression(deltas: Tensor, target_deltas: Tensor, is_positive: Tensor) -> Tensor:
    """Smooth L1 (beta 1) over positives, over their number.

    deltas and target_deltas (B, N, 4), is_positive (B, N) -> scalar; 0 when the batch has no positives. # PASSD §6.1
    """
    total = F.smooth_l1_loss(deltas[is_positive], target_deltas[is_positive], reduction="sum")
    return total / is_positive.sum().clamp(min=1)
