"""Box geometry: equality with plain loops, inverse functions and degenerate boxes."""

import pytest
import torch

from models.boxes.geometry import MAX_LOG_SCALE, area, cxcywh_to_xyxy, decode, encode, iou, xyxy_to_cxcywh
from tests.models import oracles
from tests.models.random_boxes import random_boxes


@pytest.mark.parametrize("seed", range(5))
def test_iou_equals_that_of_plain_loops(seed: int) -> None:
    boxes, others = random_boxes(12, seed), random_boxes(9, seed + 100)
    expected = [[oracles.iou(tuple(a), tuple(b)) for b in others.tolist()] for a in boxes.tolist()]
    torch.testing.assert_close(iou(boxes, others), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-12)


def test_iou_of_empty_boxes_is_zero_and_not_nan() -> None:
    point = torch.tensor([[5.0, 5, 5, 5]])
    inverted = torch.tensor([[9.0, 9, 2, 2]])
    whole = torch.tensor([[0.0, 0, 10, 10]])
    for degenerate in (point, inverted):
        for other in (point, inverted, whole):
            assert iou(degenerate, other).item() == 0


def test_iou_without_boxes_has_no_rows() -> None:
    assert iou(torch.zeros(0, 4), torch.zeros(3, 4)).shape == (0, 3)
    assert iou(torch.zeros(3, 4), torch.zeros(0, 4)).shape == (3, 0)


def test_touching_boxes_do_not_overlap() -> None:
    assert iou(torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[10.0, 0, 20, 10]])).item() == 0


def test_area_of_an_inverted_box_is_zero() -> None:
    assert area(torch.tensor([[0.0, 0, 4, 5], [4, 0, 0, 5], [4, 5, 0, 0]])).tolist() == [20, 0, 0]


def test_conversions_are_inverse() -> None:
    boxes = random_boxes(50, 1)
    torch.testing.assert_close(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes)


def test_encode_is_eq_1() -> None:
    targets, references = (xyxy_to_cxcywh(random_boxes(20, seed) + torch.tensor([0, 0, 1, 1])) for seed in (1, 2))
    expected = [oracles.encode(tuple(t), tuple(r)) for t, r in zip(targets.tolist(), references.tolist(), strict=True)]
    torch.testing.assert_close(encode(targets, references), torch.tensor(expected, dtype=torch.float64))


def test_decode_inverts_encode() -> None:
    targets, references = (xyxy_to_cxcywh(random_boxes(200, seed) + torch.tensor([0, 0, 1, 1])) for seed in (3, 4))
    torch.testing.assert_close(decode(encode(targets, references), references), targets)


def test_decode_limits_sizes_to_a_finite_factor() -> None:
    reference = torch.tensor([10.0, 10, 32, 32])
    huge = decode(torch.tensor([0.0, 0, 1e9, -1e9]), reference)
    assert huge[2].item() == pytest.approx(32 * 1000 / 16, rel=1e-5)
    assert huge[3].item() == pytest.approx(32 * 16 / 1000, rel=1e-5)
    assert pytest.approx(4.135, abs=1e-3) == MAX_LOG_SCALE


def test_geometry_keeps_leading_dimensions_and_dtype() -> None:
    boxes = torch.rand(2, 3, 5, 4, dtype=torch.float64) + 1
    assert decode(encode(boxes, boxes), boxes).shape == (2, 3, 5, 4)
    assert decode(encode(boxes, boxes), boxes).dtype == torch.float64
