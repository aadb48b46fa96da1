"""The base networks and their extra blocks: images to one feature map for each stride."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn


def depthwise_separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """MobileNet v1's block (Howard et al. 2017): depthwise 3x3, then pointwise 1x1, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class MobileNet(nn.Module):
    """MobileNet v1 with one extra depthwise-separable block of 512 channels (PASSD §4)."""

    strides = (8, 16, 32, 64)
    channels = (256, 512, 1024, 512)

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            [
                nn.Sequential(
                    stem,
                    depthwise_separable(32, 64, 1),
                    depthwise_separable(64, 128, 2),
                    depthwise_separable(128, 128, 1),
                    depthwise_separable(128, 256, 2),
                    depthwise_separable(256, 256, 1),
                ),
                nn.Sequential(depthwise_separable(256, 512, 2), *(depthwise_separable(512, 512, 1) for _ in range(5))),
                nn.Sequential(depthwise_separable(512, 1024, 2), depthwise_separable(1024, 1024, 1)),
            ]
        )
        self.extra = depthwise_separable(1024, 512, 2)
        initialise_from_scratch(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images (B, 3, H, W) -> a map for each stride."""
        maps = []
        for stage in (*self.stages, self.extra):
            images = stage(images)
            maps.append(images)
        return maps


def initialise_from_scratch(module: nn.Module) -> None:
    """He initialisation by fan-out, for networks whose convolutions are followed by batch norm and ReLU."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")


BackboneName = Literal["mobilenet"]
BACKBONES: dict[BackboneName, Callable[[], MobileNet]] = {"mobilenet": MobileNet}
