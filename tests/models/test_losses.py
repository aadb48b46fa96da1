"""The losses of one stage of PASSD: §6.1."""

import math

import pytest
import torch
from torch import Tensor

from models.losses import box_regression, mined_cross_entropy


def test_cross_entropy_of_positives_and_hard_negatives_is_divided_by_the_positives() -> None:
    logits = torch.tensor([[[0.0, 1.0], [2.0, 0.0], [0.0, 3.0], [0.0, 1.0], [0.0, 2.0], [5.0, 0.0]]])
    labels = torch.tensor([[1, 0, 0, 0, 0, 0]])

    def loss(chosen: float, other: float) -> float:
        return math.log(math.exp(chosen) + math.exp(other)) - chosen

    worst_three = loss(0, 3) + loss(0, 2) + loss(0, 1)
    assert mined_cross_entropy(logits, labels).item() == pytest.approx(loss(1, 0) + worst_three, rel=1e-6)


def test_positives_are_counted_in_the_batch_and_negatives_in_each_image() -> None:
    logits = torch.zeros(2, 10, 3)
    labels = torch.zeros(2, 10, dtype=torch.int64)
    labels[0, :2] = 1
    kept = 2 + 3 * 2  # the second image has no positives, hence no negatives
    assert mined_cross_entropy(logits, labels).item() == pytest.approx(kept * math.log(3) / 2, rel=1e-6)


@pytest.mark.parametrize("difference", [0.3, -2.5])
def test_box_regression_is_the_mean_smooth_l1_of_positives(difference: float) -> None:
    deltas = torch.full((1, 5, 4), difference)
    is_positive = torch.tensor([[True, False, True, False, False]])
    expected = 0.5 * difference**2 if abs(difference) < 1 else abs(difference) - 0.5
    assert box_regression(deltas, torch.zeros(1, 5, 4), is_positive).item() == pytest.approx(4 * expected, rel=1e-6)


def test_without_positives_both_losses_and_their_gradients_are_zero() -> None:
    """PASSD §6.1: "If Npos=0, we set the loss of the process to 0"."""
    logits = torch.randn(2, 8, 3, requires_grad=True)
    deltas = torch.randn(2, 8, 4, requires_grad=True)
    no_labels = torch.zeros(2, 8, dtype=torch.int64)
    losses: list[Tensor] = [
        mined_cross_entropy(logits, no_labels),
        box_regression(deltas, torch.full((2, 8, 4), torch.inf), no_labels > 0),
    ]
    torch.autograd.backward(torch.stack(losses).sum())
    assert [loss.item() for loss in losses] == [0, 0]
    for raw in (logits, deltas):
        assert raw.grad is not None
        assert not raw.grad.any()
