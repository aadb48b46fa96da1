"""The feature pyramid of PASSD (Lin et al. 2017)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.convolution import Norm, conv


class FPN(nn.Module):
    """Makes one level of `channels` channels from each feature map of the backbone, finest first.

    Each map passes a lateral 1x1 convolution; the top-down path then adds the next coarser sum, upsampled by nearest
    neighbour. The path starts at the topmost map (PASSD, footnote 2) and adds sums before their 3x3 convolution. Only
    the levels of stride 8, 16 and 32 end in a 3x3 convolution: no other reading gives the number of parameters in
    PASSD's Table 1.
    """

    NUM_OUTPUT_CONVS = 3

    def __init__(self, in_channels: Sequence[int], channels: int, norm: Norm) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(conv(c, channels, 1, norm) for c in in_channels)
        self.outputs = nn.ModuleList(conv(channels, channels, 3, norm) for _ in range(self.NUM_OUTPUT_CONVS))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """maps, one (B, C_l, H_l, W_l) for each level -> levels, one (B, channels, H_l, W_l) for each map."""
        merged = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            merged[level] = merged[level] + F.interpolate(
                merged[level + 1], size=merged[level].shape[2:], mode="nearest"
            )
        return [output(x) for output, x in zip(self.outputs, merged, strict=False)] + merged[self.NUM_OUTPUT_CONVS :]
