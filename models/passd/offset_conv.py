"""The offset convolution: a 3x3 convolution whose taps form a grid in an adjusted box (PASSD §5.1.2, eq. 4-5).

Each of the A boxes of a cell has its own filters and taps. The sampling and the filters are both linear, and sampling
treats all channels alike. Their order can therefore be reversed: first project the map with the filters of each tap,
then sample the few projected channels,

    y_a(p) = sum_tap W_a,tap . x(p + off_a,tap(p)) = sum_tap (W_a,tap . x)(p + off_a,tap(p)).

The projection is one dense 1x1 convolution; each tap samples only O channels instead of all channels of the map.
Sampling is bilinear; the map is zero outside its edges.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.convolution import initialise_new

TAPS = 9  # a 3x3 kernel, row-major: (-1, -1), (-1, 0), ... (1, 1)


class OffsetConv(nn.Module):
    """The two layers of the attending process, class scores and box deltas, with common sampling positions.

    The filters are those of the paper: 3x3 x channels for A x C class scores and A x 4 deltas, box-major.
    """

    def __init__(self, channels: int, boxes_per_cell: int, num_scores: int) -> None:
        super().__init__()
        self.boxes_per_cell = boxes_per_cell
        self.scores = nn.Conv2d(channels, boxes_per_cell * num_scores, 3)
        self.deltas = nn.Conv2d(channels, boxes_per_cell * 4, 3)
        initialise_new(self)

    def projection(self) -> Tensor:
        """Both filter banks as the weights of one 1x1 convolution: (A*9*O, channels, 1, 1), O = scores + 4."""
        weight = stack_boxes([self.scores.weight, self.deltas.weight], self.boxes_per_cell)  # (A, O, channels, 3, 3)
        return weight.permute(0, 3, 4, 1, 2).reshape(-1, weight.shape[2], 1, 1)

    def bias(self) -> Tensor:
        """Both banks' biases: (A, O)."""
        return stack_boxes(
            [bias for bias in (self.scores.bias, self.deltas.bias) if bias is not None], self.boxes_per_cell
        )

    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:
        """features (B, channels, H, W), geometry (B, A, 4, H, W) in cells -> (B, A, O, H, W): scores, then deltas."""
        return sample_taps(F.conv2d(features, self.projection()), sampling_positions(geometry), self.bias())


def stack_boxes(banks: list[Tensor], boxes_per_cell: int) -> Tensor:
    """Filter banks (A*C, ...) and (A*4, ...), box-major -> (A, C + 4, ...)."""
    return torch.cat([bank.reshape(boxes_per_cell, -1, *bank.shape[1:]) for bank in banks], dim=1)


def sampling_positions(geometry: Tensor) -> Tensor:
    """The position of each tap of each adjusted box: geometry (B, A, 4, H, W) -> (B, A, 9, H, W, 2) in cells as (y, x).

    geometry is (shift_y, shift_x, height, width): the adjusted box's shift from its cell and its size, in cells. Tap r
    of the grid R is at p + shift + r * size / 3. Eq. 4 gives the offset of a tap from the regular grid ("- R"), and eq.
    5 adds the grid again: R cancels.
    """
    height, width = geometry.shape[-2:]
    rows = torch.arange(height, dtype=geometry.dtype, device=geometry.device).view(height, 1)
    columns = torch.arange(width, dtype=geometry.dtype, device=geometry.device)
    shift_y, shift_x, box_height, box_width = geometry.unbind(dim=2)  # (B, A, H, W) each
    steps = (-1, 0, 1)
    y = torch.stack([rows + shift_y + step * box_height / 3 for step in steps], dim=2)  # (B, A, 3, H, W)
    x = torch.stack([columns + shift_x + step * box_width / 3 for step in steps], dim=2)
    y = y.repeat_interleave(3, dim=2)  # row-major: the row varies slowest
    x = torch.cat([x, x, x], dim=2)
    return torch.stack([y, x], dim=-1)


def sample_taps(projected: Tensor, positions: Tensor, bias: Tensor) -> Tensor:
    """Sum the projected map over the taps of each box.

    projected (B, A*9*O, H, W), channels ordered box, tap, filter; positions (B, A, 9, H, W, 2) in cells as (y, x); bias
    (A, O) -> (B, A, O, H, W) in the positions' dtype, which must be float32: autocast may make only the map bfloat16.
    """
    batch, _, height, width = projected.shape
    num_boxes, num_filters = bias.shape
    extent = torch.tensor([height, width], dtype=positions.dtype, device=positions.device)
    grid = ((2 * positions + 1) / extent - 1).flip(-1)  # (x, y); the outer edges of the map are at -1 and 1
    samples = F.grid_sample(
        projected.reshape(batch * num_boxes * TAPS, num_filters, height, width).to(grid.dtype),
        grid.reshape(batch * num_boxes * TAPS, height, width, 2),
        mode="bilinear",
        padding_mode="zeros",
        align_corners=False,
    )
    summed = samples.view(batch, num_boxes, TAPS, num_filters, height, width).sum(dim=2)
    return summed + bias.view(num_boxes, num_filters, 1, 1)
