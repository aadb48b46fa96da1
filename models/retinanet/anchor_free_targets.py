"""Targets of the anchor-free branch in one image: cells, level selection and supervision (FSAF §3.2-3.3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.boxes.anchors import Size
from models.boxes.geometry import area, cxcywh_to_xyxy, xyxy_to_cxcywh
from models.boxes.matching import mostly_inside
from models.constants import built_once
from models.detector import Targets

EFFECTIVE_SHARE = 0.2  # FSAF §3.2, epsilon_e
IGNORING_SHARE = 0.5  # FSAF §3.2, epsilon_i


@dataclass(frozen=True)
class Cells:
    """The N cells of all L levels, in the order level, row, column.

    row, column, level (N) int64; level 0 is the finest. stride (N) in pixels. Of each level: extent (L, 2) int64, its
    width and height in cells; level_stride (L, 1); map_sizes (height, width) and strides as numbers.
    """

    row: Tensor
    column: Tensor
    level: Tensor
    stride: Tensor
    extent: Tensor
    level_stride: Tensor
    map_sizes: tuple[Size, ...]
    strides: tuple[int, ...]

    @property
    def centres(self) -> Tensor:
        """(N, 2) as (x, y) in input pixels: the middle of each cell; the paper writes the cell's index instead."""
        return (torch.stack([self.column, self.row], dim=1) + 0.5) * self.stride[:, None]

    @property
    def squares(self) -> Tensor:
        """(N, 4) xyxy in input pixels: the area of each cell."""
        half = self.stride[:, None] / 2
        return torch.cat([self.centres - half, self.centres + half], dim=1)

    def __len__(self) -> int:
        return len(self.row)


@built_once
def cells_of(map_sizes: tuple[Size, ...], strides: tuple[int, ...], device: torch.device | None = None) -> Cells:
    """The cells of all levels; `map_sizes` (height, width) and `strides` of each level."""
    rows, columns, levels = [], [], []
    for level, (height, width) in enumerate(map_sizes):
        row, column = torch.meshgrid(
            torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
        )  # (H, W) each
        rows.append(row.flatten())
        columns.append(column.flatten())
        levels.append(torch.full((height * width,), level, device=device))
    level_of_cell = torch.cat(levels)
    level_stride = torch.tensor(strides, dtype=torch.float32, device=device)
    extent = torch.tensor([(width, height) for height, width in map_sizes], device=device)
    return Cells(
        torch.cat(rows),
        torch.cat(columns),
        level_of_cell,
        level_stride[level_of_cell],
        extent,
        level_stride[:, None],
        map_sizes,
        strides,
    )


def raster(boxes: Tensor, share: float, cells: Cells) -> Tensor:
    """The cells that overlap the middle `share` of each box, at each level: boxes (M, 4) xyxy -> (M, L, 4) int64.

    A raster is a half-open range (column, row, column, row) inside the map. It has at least one cell,
    also for the smallest box, because each instance needs a loss at each level.
    """
    centre_size = xyxy_to_cxcywh(boxes)
    scaled = cxcywh_to_xyxy(torch.cat([centre_size[:, :2], centre_size[:, 2:] * share], dim=1))
    projected = scaled[:, None] / cells.level_stride  # (M, L, 4)
    low = projected[..., :2].floor().long().clamp(min=0).minimum(cells.extent - 1)
    high = projected[..., 2:].ceil().long().maximum(low + 1).minimum(cells.extent)
    return torch.cat([low, high], dim=2)


def inside(rasters: Tensor, cells: Cells) -> Tensor:
    """Whether each cell is in the raster of its own level: rasters (M, L, 4) -> (M, N) bool."""
    left, top, right, bottom = rasters[:, cells.level].unbind(dim=2)  # (M, N) each
    return (cells.column >= left) & (cells.column < right) & (cells.row >= top) & (cells.row < bottom)


@dataclass(frozen=True)
class Supervision:
    """Targets of the N cells of an image.

    classes (N, K) float: 1 inside effective boxes, 0 elsewhere. is_ignored (N, K) bool. is_positive (N) bool. instance
    (N) int64: the object of a positive cell.
    """

    classes: Tensor
    is_ignored: Tensor
    is_positive: Tensor
    instance: Tensor


@torch.no_grad()
def supervise(target: Targets, levels: Tensor, cells: Cells, num_classes: int) -> Supervision:
    """The supervision of one image with M instances on the `levels` (M).  # FSAF §3.2

    If effective boxes overlap, the smallest instance gets the cell, or the first of several equally small ones; the
    classes of the other instances are ignored in that cell. An ignoring box applies to its own class, at its own level
    and the two adjacent levels, except in cells that are positive for this class. Cells that are mostly inside one of
    the target's ignored areas are ignored for all classes unless they are positive.
    """
    classes = torch.zeros(len(cells), num_classes, device=cells.stride.device)
    is_ignored = torch.zeros_like(classes, dtype=torch.bool)
    if len(target.ignored):
        is_ignored |= mostly_inside(cells.squares[None], [target.ignored])[0, :, None]
    if len(levels) == 0:
        nothing = torch.zeros_like(cells.level)
        return Supervision(classes, is_ignored, nothing.bool(), nothing)
    distance = (cells.level - levels[:, None]).abs()  # (M, N)
    is_effective = inside(raster(target.boxes, EFFECTIVE_SHARE, cells), cells) & (distance == 0)
    is_ignoring = inside(raster(target.boxes, IGNORING_SHARE, cells), cells) & (distance <= 1)
    is_positive = is_effective.any(dim=0)
    sizes = torch.where(is_effective, area(target.boxes)[:, None], torch.inf)
    instance = sizes.argmin(dim=0)  # (N,)
    classes.scatter_(1, target.labels[instance][:, None], is_positive[:, None].to(classes.dtype))
    of_class = torch.zeros_like(classes.T).index_add_(0, target.labels, is_ignoring.to(classes.dtype))  # (K, N)
    is_ignored = (is_ignored & ~is_positive[:, None]) | (of_class.T > 0)
    return Supervision(classes, is_ignored & (classes == 0), is_positive, instance)
