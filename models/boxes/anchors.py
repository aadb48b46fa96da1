"""The boxes that a detector moves onto objects: default boxes of SSD and PASSD, anchors of RetinaNet."""

from collections.abc import Sequence

import torch
from torch import Tensor

Size = tuple[int, int]  # (height, width) of a feature map, in cells


def default_boxes(
    map_sizes: Sequence[Size], strides: Sequence[int], box_size: float, scales: Sequence[float]
) -> Tensor:
    """Square default boxes of all levels, cxcywh in input pixels -> (N, 4).  # PASSD §5

    A level of stride s has len(scales) boxes in each cell (i, j) of its (height, width) map. Each box is centred on the
    cell, at ((j + .5) s, (i + .5) s); its side is `box_size` x s x scale pixels. The order is level, row, column,
    scale. Boxes are not clipped to the image, because eq. 2 and 4 use their nominal size.
    """
    return anchors(map_sizes, strides, box_size, scales, (1.0,))


def anchors(
    map_sizes: Sequence[Size],
    strides: Sequence[int],
    box_size: float,
    scales: Sequence[float],
    aspect_ratios: Sequence[float],
) -> Tensor:
    """Boxes of each scale in each aspect ratio, cxcywh in input pixels -> (N, 4).  # Lin et al. 2017 (RetinaNet), §4

    A box has the area of a square with a side of `box_size` x stride x scale pixels. The aspect ratio is height over
    width. Boxes are centred on the cells. The order is level, row, column, scale, aspect ratio.
    """
    levels = []
    for (height, width), stride in zip(map_sizes, strides, strict=True):
        sides = [box_size * stride * scale for scale in scales]
        shapes = torch.tensor([(side * ratio**-0.5, side * ratio**0.5) for side in sides for ratio in aspect_ratios])
        y = (torch.arange(height) + 0.5) * stride
        x = (torch.arange(width) + 0.5) * stride
        cy, cx = torch.meshgrid(y, x, indexing="ij")  # (H, W) each
        centres = torch.stack([cx, cy], dim=-1)[:, :, None].expand(-1, -1, len(shapes), -1)
        levels.append(torch.cat([centres, shapes.expand_as(centres)], dim=-1).reshape(-1, 4))
    return torch.cat(levels)


def box_strides(map_sizes: Sequence[Size], strides: Sequence[int], boxes_per_cell: int) -> Tensor:
    """The stride of each box's level, in pixels, for the boxes of all levels -> (N, 1)."""
    per_level = [
        torch.full((height * width * boxes_per_cell, 1), float(stride))
        for (height, width), stride in zip(map_sizes, strides, strict=True)
    ]
    return torch.cat(per_level)
