"""Default boxes and anchors: number, sizes and order as in the papers."""

import pytest
import torch

from models.boxes.anchors import anchors, box_strides, default_boxes

VOC_SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # PASSD §5
COCO_SCALES = (2 ** (-1 / 3), 1.0, 2 ** (1 / 3))  # PASSD §5, footnote 3
STRIDES = (8, 16, 32, 64)
RETINANET_STRIDES = (8, 16, 32, 64, 128)
RETINANET_SCALES = (1.0, 2 ** (1 / 3), 2 ** (2 / 3))  # RetinaNet §4
ASPECT_RATIOS = (0.5, 1.0, 2.0)  # RetinaNet §4


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


def test_anchors_have_the_areas_of_32_to_512_squared_times_the_scales() -> None:
    """RetinaNet §4: "areas of 32² to 512² on pyramid levels P3 to P7"."""
    for level, stride in enumerate(RETINANET_STRIDES):
        boxes = anchors([(1, 1)], [stride], 4, RETINANET_SCALES, ASPECT_RATIOS)
        side = 32 * 2**level
        assert boxes[:, 2:].prod(dim=1).sqrt().tolist() == pytest.approx(
            [side * s for s in RETINANET_SCALES for _ in ASPECT_RATIOS], rel=1e-5
        )
        assert (boxes[:, 3] / boxes[:, 2]).tolist() == pytest.approx(list(ASPECT_RATIOS) * 3, rel=1e-5)


def test_anchors_are_centred_on_cells_in_the_order_row_column_scale_ratio() -> None:
    boxes = anchors([(2, 3)], [8], 4, (1.0, 2.0), (1.0, 4.0))
    assert boxes[::4, :2].tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12]]
    assert boxes[4:8, 2:].tolist() == [[32, 32], [16, 64], [64, 64], [32, 128]]


@pytest.mark.parametrize(("height", "width", "count"), [(512, 512, 49_104), (896, 1408, 236_313)])
def test_each_cell_has_nine_anchors(height: int, width: int, count: int) -> None:
    sizes = [(height // stride, width // stride) for stride in RETINANET_STRIDES]
    assert len(anchors(sizes, RETINANET_STRIDES, 4, RETINANET_SCALES, ASPECT_RATIOS)) == count
