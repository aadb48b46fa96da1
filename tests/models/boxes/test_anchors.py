"""Default boxes: number, sizes and order as in the paper."""

import pytest
import torch

from models.boxes.anchors import box_strides, default_boxes

VOC_SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # PASSD §5
COCO_SCALES = (2 ** (-1 / 3), 1.0, 2 ** (1 / 3))  # PASSD §5, footnote 3
STRIDES = (8, 16, 32, 64)


def map_sizes(input_size: int, strides: tuple[int, ...] = STRIDES) -> list[tuple[int, int]]:
    return [(input_size // stride, input_size // stride) for stride in strides]


@pytest.mark.parametrize(
    ("input_size", "strides", "count"), [(320, STRIDES, 6375), (512, STRIDES, 16320), (768, (*STRIDES, 128), 36828)]
)
def test_number_of_boxes_equals_that_in_table_4(input_size: int, strides: tuple[int, ...], count: int) -> None:
    assert default_boxes(map_sizes(input_size, strides), strides, 4, VOC_SCALES).shape == (count, 4)


@pytest.mark.parametrize(
    ("scales", "level", "sizes"),
    [
        (VOC_SCALES, 0, (32, 40.3175, 50.7968)),
        (VOC_SCALES, 1, (64, 80.6349, 101.5937)),
        (VOC_SCALES, 2, (128, 161.2699, 203.1873)),
        (VOC_SCALES, 3, (256, 322.5398, 406.3747)),
        (COCO_SCALES, 0, (25.3984, 32, 40.3175)),
        (COCO_SCALES, 3, (203.1873, 256, 322.5398)),
    ],
)
def test_sizes_are_four_strides_times_the_scales(
    scales: tuple[float, ...], level: int, sizes: tuple[float, ...]
) -> None:
    boxes = default_boxes(map_sizes(320)[level : level + 1], STRIDES[level : level + 1], 4, scales)
    assert boxes[:3, 2].tolist() == pytest.approx(sizes, abs=1e-3)
    assert torch.equal(boxes[:, 2], boxes[:, 3])


def test_order_is_level_row_column_scale() -> None:
    boxes = default_boxes([(2, 3), (1, 1)], (8, 16), 4, (1.0, 2.0))
    centres = [(4, 4), (12, 4), (20, 4), (4, 12), (12, 12), (20, 12)]
    expected = [(cx, cy, size, size) for cx, cy in centres for size in (32, 64)] + [(8, 8, 64, 64), (8, 8, 128, 128)]
    assert boxes.tolist() == [list(box) for box in expected]


def test_each_box_has_the_stride_of_its_level() -> None:
    assert box_strides([(2, 3), (1, 1)], (8, 16), 2).flatten().tolist() == [8] * 12 + [16] * 2
