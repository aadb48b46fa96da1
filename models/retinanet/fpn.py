"""The feature pyramid of RetinaNet."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class RetinaNetFPN(nn.Module):
    """From C3 to C5 to levels P3 to P7 of `channels` channels.  # RetinaNet §4

    P6 is a convolution of stride 2 on C5, P7 one on P6. Every level of the top-down path ends in a 3x3 convolution. The
    only non-linearity is a ReLU between P6 and P7. Initial weights are uniform in ±sqrt(3 / fan-in), as in Detectron.
    """

    strides = (8, 16, 32, 64, 128)

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in in_channels)
        self.outputs = nn.ModuleList(nn.Conv2d(channels, channels, 3, padding=1) for _ in in_channels)
        self.p6 = nn.Conv2d(in_channels[-1], channels, 3, 2, padding=1)
        self.p7 = nn.Conv2d(channels, channels, 3, 2, padding=1)
        for layer in (*self.laterals, *self.outputs, self.p6, self.p7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """C3 to C5, (B, C_l, H_l, W_l) each -> P3 to P7, (B, channels, H_l, W_l) each."""
        merged = [lateral(x) for lateral, x in zip(self.laterals, maps, strict=True)]
        for level in range(len(merged) - 2, -1, -1):
            merged[level] = merged[level] + F.interpolate(
                merged[level + 1], size=merged[level].shape[2:], mode="nearest"
            )
        p6 = self.p6(maps[-1])
        return [*(output(x) for output, x in zip(self.outputs, merged, strict=True)), p6, self.p7(F.relu(p6))]
