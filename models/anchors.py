"""The boxes that a detector starts from: SSD's and PASSD's default boxes."""

from collections.abc import Sequence

import torch
from torch import Tensor

Size = tuple[int, int]  # (height, width) of a feature map, in cells


def default_boxes(map_sizes: Sequence[Size], strides: Sequence[int], box_size: float, scales: Sequence[float]) -> Tensor:
    """Square default boxes of all levels, cxcywh in input pixels -> (N, 4).  # PASSD §5

    A level with stride s puts len(scales) boxes of `box_size` x s x scale pixels on the centre ((j + .5) s, (i + .5) s) of
    each cell of its (height, width) map. The order is level, row, column, scale. Boxes are not clipped to the image:
    eq. 2 and 4 take their nominal size.
    """
    levels = []
    for (height, width), stride in zip(map_sizes, strides, strict=True):
        sizes = torch.tensor([box_size * stride * scale for scale in scales])
        y = (torch.arange(height) + 0.5) * stride
        x = (torch.arange(width) + 0.5) * stride
        cy, cx, size = torch.meshgrid(y, x, sizes, indexing="ij")  # (H, W, A) each
        levels.append(torch.stack([cx, cy, size, size], dim=-1).reshape(-1, 4))
    return torch.cat(levels)


def box_strides(map_sizes: Sequence[Size], strides: Sequence[int], boxes_per_cell: int) -> Tensor:
    """The stride of the level that each box of all levels belongs to, in pixels -> (N, 1)."""
    per_level = [
        torch.full((height * width * boxes_per_cell, 1), float(stride))
        for (height, width), stride in zip(map_sizes, strides, strict=True)
    ]
    return torch.cat(per_level)
