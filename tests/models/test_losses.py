"""The losses of one stage of PASSD: §6.1."""

import math

import numpy as np
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
    found = mined_cross_entropy(logits, labels, torch.zeros_like(labels).bool())
    assert found.item() == pytest.approx(loss(1, 0) + worst_three, rel=1e-6)


def test_positives_are_counted_in_the_batch_and_negatives_in_each_image() -> None:
    logits = torch.zeros(2, 10, 3)
    labels = torch.zeros(2, 10, dtype=torch.int64)
    labels[0, :2] = 1
    kept = 2 + 3 * 2  # the second image has no positives, hence no negatives
    found = mined_cross_entropy(logits, labels, torch.zeros_like(labels).bool())
    assert found.item() == pytest.approx(kept * math.log(3) / 2, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("min_negatives", [0, 2, 16, 1000])
def test_mined_cross_entropy_equals_that_of_plain_loops(seed: int, min_negatives: int) -> None:
    """The first image has no positives; some boxes of each are ignored."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(size=(3, 40, 3)))
    labels = torch.from_numpy(np.where(rng.random((3, 40)) < 0.1, rng.integers(1, 3, (3, 40)), 0))
    labels[0] = 0
    is_ignored = torch.from_numpy(rng.random((3, 40)) < 0.2) & (labels == 0)
    positives, negatives = [], []
    for image in range(3):
        losses = [
            math.log(sum(map(math.exp, row))) - row[label]
            for row, label in zip(logits[image].tolist(), labels[image].tolist(), strict=True)
        ]
        own = [loss for loss, label in zip(losses, labels[image], strict=True) if label > 0]
        others = [
            loss
            for loss, label, out in zip(losses, labels[image], is_ignored[image], strict=True)
            if label == 0 and not out
        ]
        positives += own
        negatives += sorted(others, reverse=True)[: max(3 * len(own), min_negatives)]
    divisor = max(len(positives), len(negatives) / 3)
    expected = sum(positives) / len(positives) + sum(negatives) / divisor
    found = mined_cross_entropy(logits, labels, is_ignored, min_negatives)
    assert found.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 32])
def test_images_without_objects_teach_with_a_floor_of_negatives(batch_size: int) -> None:
    """Their loss is three times the mean of the hardest negatives, as if each image also had its positives."""
    logits = torch.tensor([0.0, 3]).repeat(batch_size, 20, 1).requires_grad_()
    labels = torch.zeros(batch_size, 20, dtype=torch.int64)
    loss = mined_cross_entropy(logits, labels, labels.bool(), min_negatives=16)
    assert loss.item() == pytest.approx(3 * math.log(1 + math.exp(3)), rel=1e-5)
    torch.autograd.backward(loss)
    assert logits.grad is not None
    assert (logits.grad[..., 1] > 0).sum() == 16 * batch_size


def test_ignored_boxes_have_no_gradient() -> None:
    logits = torch.randn(2, 30, 3, requires_grad=True)
    labels = torch.zeros(2, 30, dtype=torch.int64)
    labels[:, 0] = 1
    is_ignored = torch.zeros(2, 30, dtype=torch.bool)
    is_ignored[:, 10:] = True
    torch.autograd.backward(mined_cross_entropy(logits, labels, is_ignored, 20))
    assert logits.grad is not None
    assert torch.equal(logits.grad.any(dim=2), ~is_ignored)


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
        mined_cross_entropy(logits, no_labels, no_labels > 0),
        box_regression(deltas, torch.full((2, 8, 4), torch.inf), no_labels > 0),
    ]
    torch.autograd.backward(torch.stack(losses).sum())
    assert [loss.item() for loss in losses] == [0, 0]
    for raw in (logits, deltas):
        assert raw.grad is not None
        assert not raw.grad.any()
