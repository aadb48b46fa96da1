"""The feature pyramid (Lin et al. 2017) as PASSD and as RetinaNet have it."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.convolution import Norm, conv


class FPN(nn.Module):
    """Levels of `channels` channels from backbone maps, finest first, by lateral 1x1s and a nearest-neighbour top-down path.

    The path starts at the topmost map (PASSD, footnote 2) and adds un-smoothed sums. The 3x3 convolutions follow the levels
    of stride 8, 16 and 32 alone: that is the only reading which gives the parameters of PASSD's Table 1.
    """

    NUM_OUTPUT_CONVS = 3

    def __init__(self, in_channels: Sequence[int], channels: int, norm: Norm) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(conv(c, channels, 1, norm) for c in in_channels)
        self.outputs = nn.ModuleList(conv(channels, channels, 3, norm) for _ in range(self.NUM_OUTPUT_CONVS))

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """maps, a (B, C_l, H_l, W_l) a level -> as many (B, channels, H_l, W_l)."""
        merged = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            merged[level] = merged[level] + F.interpolate(
                merged[level + 1], size=merged[level].shape[2:], mode="nearest"
            )
        return [output(x) for output, x in zip(self.outputs, merged, strict=False)] + merged[self.NUM_OUTPUT_CONVS :]
