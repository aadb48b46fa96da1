"""ResNet and ResNeXt as base networks."""

import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.convolution import initialise_from_scratch, initialise_new


class ResNet(nn.Module):
    """ResNet or ResNeXt of bottleneck blocks with the stride in the 3x3 convolution; keys as in torchvision.

    The feature maps are the outputs of stages 3 to 5 and of `num_extras` more bottleneck blocks of stride 2 with 512
    channels from a bottleneck of 128. This is the reading of PASSD §4's "res6; stride=2, channel=512" that
    gives the paper's 47M parameters.
    """

    def __init__(
        self, blocks: tuple[int, int, int, int], groups: int = 1, width_per_group: int = 64, num_extras: int = 0
    ) -> None:
        super().__init__()
        self.strides = (8, 16, 32, 64, 128)[: 3 + num_extras]
        self.channels = (512, 1024, 2048, 512, 512)[: 3 + num_extras]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        width = groups * width_per_group
        self.layer1 = resnet_stage(blocks[0], 64, width, 256, 1, groups)
        self.layer2 = resnet_stage(blocks[1], 256, 2 * width, 512, 2, groups)
        self.layer3 = resnet_stage(blocks[2], 512, 4 * width, 1024, 2, groups)
        self.layer4 = resnet_stage(blocks[3], 1024, 8 * width, 2048, 2, groups)
        initialise_from_scratch(self)
        self.extras = nn.ModuleList(Bottleneck(2048 if i == 0 else 512, 128, 512, 2, 1) for i in range(num_extras))
        initialise_new(self.extras)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images (B, 3, H, W) -> a feature map for each stride, finest first."""
        stem = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        maps = [self.layer2(self.layer1(stem))]
        for stage in (self.layer3, self.layer4, *self.extras):
            maps.append(stage(maps[-1]))
        return maps


class Bottleneck(nn.Module):
    """A residual block of 1x1, 3x3 and 1x1 (He et al. 2016); the shortcut is a 1x1 if the shape changes."""

    def __init__(self, in_channels: int, width: int, out_channels: int, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


def resnet_stage(
    num_blocks: int, in_channels: int, width: int, out_channels: int, stride: int, groups: int
) -> nn.Sequential:
    """Bottlenecks with one output size; the first changes the stride and the number of channels."""
    first = Bottleneck(in_channels, width, out_channels, stride, groups)
    return nn.Sequential(
        first, *(Bottleneck(out_channels, width, out_channels, 1, groups) for _ in range(num_blocks - 1))
    )
