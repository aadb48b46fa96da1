"""MobileNet v1 as a base network."""

from functools import partial
from typing import Literal

from torch import Tensor, nn

from models.layers.convolution import initialise_from_scratch

Activation = Literal["relu", "relu6"]
LAYERS: dict[Activation, type[nn.ReLU | nn.ReLU6]] = {"relu": nn.ReLU, "relu6": nn.ReLU6}


class MobileNet(nn.Module):
    """MobileNet v1 (Howard et al. 2017) with three or four levels.

    The fourth level is an extra depthwise-separable block of 512 channels (PASSD §4). The paper says ReLU; the weights
    that its authors published are of a network with ReLU6.
    """

    def __init__(self, num_levels: int = 4, activation: Activation = "relu") -> None:
        super().__init__()
        self.activation = activation
        self.strides = (8, 16, 32, 64)[:num_levels]
        self.channels = (256, 512, 1024, 512)[:num_levels]
        block = partial(depthwise_separable, activation=activation)
        stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), LAYERS[activation](inplace=True)
        )
        self.stages = nn.ModuleList(
            [
                nn.Sequential(
                    stem,
                    block(32, 64, 1),
                    block(64, 128, 2),
                    block(128, 128, 1),
                    block(128, 256, 2),
                    block(256, 256, 1),
                ),
                nn.Sequential(block(256, 512, 2), *(block(512, 512, 1) for _ in range(5))),
                nn.Sequential(block(512, 1024, 2), block(1024, 1024, 1)),
            ]
        )
        self.extra = block(1024, 512, 2) if num_levels == 4 else None
        initialise_from_scratch(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images (B, 3, H, W) -> a feature map for each stride, finest first."""
        maps = []
        for stage in (*self.stages, *([self.extra] if self.extra else [])):
            images = stage(images)
            maps.append(images)
        return maps


def depthwise_separable(in_channels: int, out_channels: int, stride: int, activation: Activation) -> nn.Sequential:
    """MobileNet's block: depthwise 3x3, then pointwise 1x1, each with batch norm and the activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        LAYERS[activation](inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        LAYERS[activation](inplace=True),
    )
