"""Alternatives to the offset convolution in the last layers of PASSD; Tables 1 to 3 of the paper compare them.

These layers compute class scores and box deltas of each cell's boxes. All of them take (features, geometry) and have
filters of the same shapes under the same names.
"""

from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.convolution import conv, initialise_new
from models.passd.offset_conv import TAPS, sample_taps, sampling_positions, stack_boxes

AttendingName = Literal["offset", "conv", "deformable"]
TowerName = Literal["conv", "resblock"]


class Attending(Protocol):
    """features (B, channels, H, W), geometry (B, A, 4, H, W) in cells -> (B, A, O, H, W): scores, then deltas."""

    def __call__(self, features: Tensor, geometry: Tensor) -> Tensor: ...


class FixedConv(nn.Module):
    """A plain or dilated 3x3 convolution after two towers of `depth` layers, one for scores and one for deltas."""

    def __init__(
        self, channels: int, boxes_per_cell: int, num_scores: int, dilation: int, tower: TowerName, depth: int
    ) -> None:
        super().__init__()
        self.boxes_per_cell = boxes_per_cell
        make = plain_layer if tower == "conv" else ResBlock
        self.score_tower = nn.Sequential(*(make(channels) for _ in range(depth)))
        self.delta_tower = nn.Sequential(*(make(channels) for _ in range(depth)))
        self.scores = nn.Conv2d(channels, boxes_per_cell * num_scores, 3, padding=dilation, dilation=dilation)
        self.deltas = nn.Conv2d(channels, boxes_per_cell * 4, 3, padding=dilation, dilation=dilation)
        initialise_new(self)

    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:  # noqa: ARG002 (the taps are fixed)
        """See `Attending`."""
        outputs = self.scores(self.score_tower(features)), self.deltas(self.delta_tower(features))
        return torch.cat([y.view(y.shape[0], self.boxes_per_cell, -1, *y.shape[2:]) for y in outputs], dim=2)


def plain_layer(channels: int) -> nn.Module:
    """An intermediate layer of Conv(n)-Conv."""
    return nn.Sequential(conv(channels, channels, 3, "none"), nn.ReLU(inplace=True))


class ResBlock(nn.Module):
    """An intermediate layer of ResBlock(n)-Conv: two 3x3 convolutions and a shortcut.

    The convolutions have biases, because the paper's numbers of parameters include them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv(channels, channels, 3, "none")
        self.second = conv(channels, channels, 3, "none")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> the same."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class DeformableConv(nn.Module):
    """A deformable convolution (Dai et al. 2017): an additional layer predicts the sampling positions of the taps.

    One predictor of 2 x 9 offsets serves both filter banks and all boxes of a cell: it has Table 1's 0.04M parameters.
    """

    def __init__(self, channels: int, boxes_per_cell: int, num_scores: int) -> None:
        super().__init__()
        self.boxes_per_cell = boxes_per_cell
        self.offsets = nn.Conv2d(channels, 2 * TAPS, 3, padding=1)
        self.scores = nn.Conv2d(channels, boxes_per_cell * num_scores, 3)
        self.deltas = nn.Conv2d(channels, boxes_per_cell * 4, 3)
        initialise_new(self)

    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:
        """See `Attending`; only the dtype and device of the geometry are used."""
        batch, _, height, width = features.shape
        offsets = self.offsets(features).to(geometry.dtype).view(batch, 1, TAPS, 2, height, width)  # (y, x) of each tap
        # A box of 3 x 3 cells has its taps one cell apart.
        regular = torch.tensor([0.0, 0.0, 3.0, 3.0], dtype=geometry.dtype, device=geometry.device)
        grid = sampling_positions(regular.view(1, 1, 4, 1, 1).expand(batch, 1, 4, height, width))
        weight = stack_boxes([self.scores.weight, self.deltas.weight], self.boxes_per_cell)  # (A, O, channels, 3, 3)
        projection = weight.permute(3, 4, 0, 1, 2).reshape(-1, weight.shape[2], 1, 1)  # (9*A*O, channels, 1, 1)
        bias = stack_boxes([b for b in (self.scores.bias, self.deltas.bias) if b is not None], self.boxes_per_cell)
        output = sample_taps(F.conv2d(features, projection), grid + offsets.permute(0, 1, 2, 4, 5, 3), bias.view(1, -1))
        return output.view(batch, self.boxes_per_cell, -1, height, width)
