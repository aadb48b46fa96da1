"""The fit of boxes to objects: equality with the IoU of real boxes, and shares by class."""

import pytest
import torch

from models.boxes.anchors import anchors
from models.boxes.coverage import best_overlaps, box_shapes, share_by_class
from models.boxes.geometry import cxcywh_to_xyxy, iou


@pytest.mark.parametrize("aspect_ratios", [(1.0,), (0.5, 1.0, 2.0)])
def test_overlaps_are_those_of_boxes_a_quarter_of_a_cell_beside_the_object(aspect_ratios: tuple[float, ...]) -> None:
    strides, scales = (8, 16, 32), (1.0, 1.5)
    generator = torch.Generator().manual_seed(0)
    sizes = torch.rand(40, 2, generator=generator) * 200 + 0.5
    expected = []
    for size in sizes:
        best = 0.0
        for stride in strides:
            boxes = anchors([(1, 1)], [stride], 3.0, scales, aspect_ratios)  # around (stride / 2, stride / 2)
            centre = torch.full((2,), stride * 0.75)
            own = cxcywh_to_xyxy(torch.cat([centre, size])[None])
            best = max(best, iou(cxcywh_to_xyxy(boxes), own).max().item())
        expected.append(best)
    found = best_overlaps(sizes, *box_shapes(strides, 3.0, scales, aspect_ratios))
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_shares_are_those_of_each_class() -> None:
    reached = torch.tensor([True, False, True, True])
    shares = share_by_class(reached, torch.tensor([0, 0, 0, 2]), 4)
    assert shares[[0, 2]].tolist() == pytest.approx([2 / 3, 1])
    assert shares[[1, 3]].isnan().all()
