"""The losses of RetinaNet and FSAF: examples, and finite gradients."""

import math

import pytest
import torch

from models.losses import box_regression, focal, iou_loss
from tests.models.random_boxes import random_boxes
from tests.models.retinanet import anchor_free_oracle as fsaf_oracle


@pytest.mark.parametrize(
    ("score", "of_object", "of_background"),
    [(0.01, 1.1283818, 7.5377519e-7), (0.5, 0.0433217, 0.1299651), (0.9, 2.634013e-4, 1.3988204)],
)
def test_focal_loss_of_example_scores_is_the_expected_one(score: float, of_object: float, of_background: float) -> None:
    logits = torch.tensor(math.log(score / (1 - score)), dtype=torch.float64)
    assert focal(logits, torch.ones_like(logits)).item() == pytest.approx(of_object, rel=1e-6)
    assert focal(logits, torch.zeros_like(logits)).item() == pytest.approx(of_background, rel=1e-6)


@pytest.mark.parametrize("target", [0.0, 1.0])
def test_focal_loss_and_its_gradient_are_finite(target: float) -> None:
    logits = torch.tensor([-200.0, -20, 0, 20, 200], requires_grad=True)
    losses = focal(logits, torch.full_like(logits, target))
    torch.autograd.backward(losses.sum())
    assert logits.grad is not None
    assert losses.isfinite().all()
    assert logits.grad.isfinite().all()


def box_around(ltrb: tuple[float, float, float, float]) -> torch.Tensor:
    left, top, right, bottom = ltrb
    return torch.tensor([[10 - left, 10 - top, 10 + right, 10 + bottom]])


@pytest.mark.parametrize(
    ("ltrb", "loss"),
    [((4, 2, 4, 2), 0.4462871), ((0.4, 0.4, 0.4, 0.4), 4.3583101), ((5.25, 2.75, 4.75, 2.25), 0.0)],
)
def test_iou_loss_of_example_boxes_is_the_expected_one(ltrb: tuple[float, float, float, float], loss: float) -> None:
    """IoU 0.64, 0.0128 and 1."""
    boxes, target = box_around(ltrb), box_around((5.25, 2.75, 4.75, 2.25))
    assert iou_loss(boxes, target).item() == pytest.approx(loss, abs=1e-5)


def test_iou_loss_of_pairs_equals_that_of_plain_loops() -> None:
    boxes, others = random_boxes(200, 0), random_boxes(200, 1)
    has_area = ((others[:, 2:] - others[:, :2]) > 0).all(dim=1)
    boxes, others = boxes[has_area], others[has_area]
    pairs = zip(boxes.tolist(), others.tolist(), strict=True)
    expected = [fsaf_oracle.iou_loss(tuple(a), tuple(b)) for a, b in pairs]
    assert iou_loss(boxes, others).tolist() == pytest.approx(expected, abs=1e-6)


def test_iou_loss_of_boxes_without_overlap_or_area_is_finite() -> None:
    boxes = torch.tensor([[0.0, 0, 1, 1], [5, 5, 5, 5], [3, 3, 3, 3], [0, 0, 5, 5]], requires_grad=True)
    targets = torch.tensor([[2.0, 2, 3, 3], [0, 0, 9, 9], [3, 3, 3, 3], [3, 3, 3, 3]])
    losses = iou_loss(boxes, targets)
    torch.autograd.backward(losses.sum())
    assert losses[:2].tolist() == pytest.approx([-math.log(1e-6 / 2), -math.log(1e-6)], rel=1e-5)
    assert losses.isfinite().all()
    assert boxes.grad is not None
    assert boxes.grad.isfinite().all()
    assert boxes.grad[:2].any(dim=1).all()


@pytest.mark.parametrize(("difference", "expected"), [(0.05, 0.05**2 / 2 * 9), (0.5, 0.5 - 1 / 18)])
def test_box_regression_is_quadratic_below_beta(difference: float, expected: float) -> None:
    deltas = torch.full((1, 3, 4), difference)
    is_positive = torch.tensor([[True, False, True]])
    assert box_regression(deltas, torch.zeros_like(deltas), is_positive, 1 / 9).item() == pytest.approx(
        4 * expected, rel=1e-5
    )
