"""The losses of both detectors: cross-entropy with hard negatives, focal loss, smooth L1 and IoU loss."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from models.boxes.geometry import area
from models.boxes.matching import hard_negatives
from models.distributed import num_processes, sum_over_processes

NEGATIVES_PER_POSITIVE = 3  # PASSD §6.1: "at most 1:3"
FOCAL_ALPHA = 0.25  # FSAF §3.2
FOCAL_GAMMA = 2.0  # FSAF §3.2
SMALLEST_SHARE = 1e-3  # of the target's side, in the IoU loss: bounds the loss and its gradient
SMALLEST_AREA = 1e-12  # square pixels: keeps the IoU loss of objects without area finite


def mined_cross_entropy(logits: Tensor, labels: Tensor, is_ignored: Tensor, min_negatives: int = 0) -> Tensor:
    """Cross-entropy of positives and of hard negatives, divided by the number of positives in the batch.

    logits (B, N, C), labels (B, N) with 0 for background, is_ignored (B, N) bool, of boxes that are not positive ->
    scalar. An image has three negatives for each of its positives (PASSD §6.1), and at least `min_negatives`. If that
    makes more than three for each positive of the batch, the negatives are divided by a third of their own number: in
    any batch they weigh at most three times their mean. If a batch has neither, the loss is 0.
    """
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none").view(labels.shape)
    is_positive = labels > 0
    quota = (NEGATIVES_PER_POSITIVE * is_positive.sum(dim=1, keepdim=True)).clamp(min=min_negatives)
    is_hard = hard_negatives(losses, ~(is_positive | is_ignored), quota)
    positives = count_per_process(is_positive)
    negatives = torch.maximum(positives, count_per_process(is_hard) / NEGATIVES_PER_POSITIVE)
    return (losses * is_positive).sum() / positives + (losses * is_hard).sum() / negatives


def box_regression(deltas: Tensor, target_deltas: Tensor, is_positive: Tensor, beta: float = 1.0) -> Tensor:
    """Smooth L1 of positives, quadratic below `beta`, divided by the number of positives in the batch.

    deltas and target_deltas (B, N, 4), is_positive (B, N) -> scalar; 0 if the batch has no positives.  # PASSD §6.1
    """
    losses = F.smooth_l1_loss(deltas, target_deltas, reduction="none", beta=beta)
    return losses.where(is_positive[..., None], 0).sum() / count_per_process(is_positive)


def count_per_process(mask: Tensor) -> Tensor:
    """The divisor for sums over this process's share of a batch: the whole batch's count, 1 or more, by process.

    DistributedDataParallel takes the mean of the processes' gradients. With this divisor, the mean is the gradient of
    the sum over the whole batch divided by the count of the whole batch.
    """
    return sum_over_processes(mask.sum()).clamp(min=1) / num_processes()


def focal(logits: Tensor, targets: Tensor) -> Tensor:
    """Sigmoid focal loss of each score: logits and targets (...), targets 0 or 1 -> (...).  # Lin et al. 2017, eq. 5"""
    scores = logits.sigmoid()
    of_target = scores * targets + (1 - scores) * (1 - targets)
    alpha = FOCAL_ALPHA * targets + (1 - FOCAL_ALPHA) * (1 - targets)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return alpha * (1 - of_target) ** FOCAL_GAMMA * cross_entropy


def iou_loss(boxes: Tensor, targets: Tensor) -> Tensor:
    """-ln IoU of each pair: boxes and targets (P, 4) xyxy -> (P).  # Yu et al. 2016 (UnitBox), algorithm 1

    The logarithm needs an intersection: each of its sides counts as at least a thousandth of the target's side. Below
    that, the gradient still enlarges the box.
    """
    low = torch.maximum(boxes[:, :2], targets[:, :2])
    high = torch.minimum(boxes[:, 2:], targets[:, 2:])
    sides = at_least(high - low, SMALLEST_SHARE * (targets[:, 2:] - targets[:, :2]))
    common = sides[:, 0] * sides[:, 1]
    union = area(boxes) + area(targets) - common
    return union.clamp(min=SMALLEST_AREA).log() - common.clamp(min=SMALLEST_AREA).log()


def at_least(values: Tensor, floor: Tensor) -> Tensor:
    """The larger of both; the gradient also reaches values below the floor if a step against it would raise them.

    With the gradient of `torch.maximum` a value below the floor would stay there for good.
    """
    raised: Tensor = _AtLeast.apply(values, floor)  # type: ignore[no-untyped-call]
    return raised


class _AtLeast(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, values: Tensor, floor: Tensor) -> Tensor:
        context.save_for_backward(values < floor)
        return torch.maximum(values, floor)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (is_below,) = context.saved_tensors
        return gradients[0].masked_fill(is_below & (gradients[0] > 0), 0), None
