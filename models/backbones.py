"""The base networks and their extra blocks: images to one feature map for each stride."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.convolution import Norm, conv, initialise_new

BackboneName = Literal["mobilenet", "vgg16", "vgg16bn", "resnet50", "resnet101", "resnext101"]


class MobileNet(nn.Module):
    """MobileNet v1 (Howard et al. 2017), for four levels with an extra depthwise-separable block of 512 channels (PASSD §4)."""

    def __init__(self, num_levels: int = 4) -> None:
        super().__init__()
        self.strides = (8, 16, 32, 64)[:num_levels]
        self.channels = (256, 512, 1024, 512)[:num_levels]
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
        self.extra = depthwise_separable(1024, 512, 2) if num_levels == 4 else None
        initialise_from_scratch(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """images (B, 3, H, W) -> a map for each stride."""
        maps = []
        for stage in (*self.stages, *([self.extra] if self.extra else [])):
            images = stage(images)
            maps.append(images)
        return maps


def depthwise_separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """MobileNet's block: depthwise 3x3, then pointwise 1x1, each with batch norm and ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, 1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class VGG16(nn.Module):
    """VGG-16 as SSD has it (Liu et al. 2016, §3): fc6 and fc7 as convolutions, then conv8 and conv9 of stride 2.

    `features` has the layers and keys of torchvision's. Stride 8 is conv4_3, scaled by L2Norm unless batch norm does that.
    """

    strides = (8, 16, 32, 64)
    channels = (512, 1024, 512, 256)

    def __init__(self, batch_norm: bool, new_conv_norm: Norm) -> None:
        super().__init__()
        self.features = vgg16_features(batch_norm)
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=6, dilation=6)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        initialise_from_scratch(self)
        self.l2norm = nn.Identity() if batch_norm else L2Norm(512)
        self.conv8 = vgg_extra(1024, 256, 512, new_conv_norm)
        self.conv9 = vgg_extra(512, 128, 256, new_conv_norm)
        self.conv4_3_end = [i for i, layer in enumerate(self.features) if isinstance(layer, nn.MaxPool2d)][3]

    def forward(self, images: Tensor) -> list[Tensor]:
        """images (B, 3, H, W) -> a map for each stride."""
        conv4_3 = self.features[: self.conv4_3_end](images)
        conv5_3 = self.features[self.conv4_3_end :](conv4_3)
        fc7 = F.relu(self.fc7(F.relu(self.fc6(conv5_3))))
        conv8 = self.conv8(fc7)
        return [self.l2norm(conv4_3), fc7, conv8, self.conv9(conv8)]


def vgg16_features(batch_norm: bool) -> nn.Sequential:
    """The 13 convolutions; the last pooling keeps the size, for fc6's dilation takes its place, and the third rounds up."""
    layers: list[nn.Module] = []
    in_channels = 3
    for stage, (num_convs, channels) in enumerate([(2, 64), (2, 128), (3, 256), (3, 512), (3, 512)]):
        for _ in range(num_convs):
            layers.append(nn.Conv2d(in_channels, channels, 3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(channels))
            layers.append(nn.ReLU(inplace=True))
            in_channels = channels
        layers.append(nn.MaxPool2d(3, 1, 1) if stage == 4 else nn.MaxPool2d(2, 2, ceil_mode=stage == 2))
    return nn.Sequential(*layers)


def vgg_extra(in_channels: int, width: int, out_channels: int, norm: Norm) -> nn.Sequential:
    """SSD's extra block: 1x1, then 3x3 with stride 2, each with ReLU."""
    return nn.Sequential(
        conv(in_channels, width, 1, norm),
        nn.ReLU(inplace=True),
        conv(width, out_channels, 3, norm, stride=2),
        nn.ReLU(inplace=True),
    )


class L2Norm(nn.Module):
    """Each cell's channels scaled to unit length, times a learnt weight for each channel that starts at 20 (SSD §3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 20.0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return F.normalize(x, dim=1, eps=1e-10) * self.weight.view(1, -1, 1, 1)


class ResNet(nn.Module):
    """ResNet or ResNeXt of bottleneck blocks, the stride in the 3x3; the trunk's keys are torchvision's.

    Its maps are the ends of stages 3 to 5 and of `num_extras` more blocks of stride 2, each of 512 channels from a
    bottleneck of 128: that is the reading of PASSD §4's "res6; stride=2, channel=512" which gives its 47M parameters.
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
        """images (B, 3, H, W) -> a map for each stride."""
        stem = F.max_pool2d(F.relu(self.bn1(self.conv1(images))), 3, 2, 1)
        maps = [self.layer2(self.layer1(stem))]
        for stage in (self.layer3, self.layer4, *self.extras):
            maps.append(stage(maps[-1]))
        return maps


class Bottleneck(nn.Module):
    """A residual block of 1x1, 3x3 and 1x1 (He et al. 2016); the shortcut is a 1x1 where the shape changes."""

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


def resnet_stage(num_blocks: int, in_channels: int, width: int, out_channels: int, stride: int, groups: int) -> nn.Sequential:
    """Bottlenecks at one size; the first changes stride and channels."""
    first = Bottleneck(in_channels, width, out_channels, stride, groups)
    return nn.Sequential(first, *(Bottleneck(out_channels, width, out_channels, 1, groups) for _ in range(num_blocks - 1)))


def initialise_from_scratch(module: nn.Module) -> None:
    """He initialisation by fan-out, for networks whose convolutions are followed by ReLU."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


Backbone = MobileNet | VGG16 | ResNet


def build_backbone(name: BackboneName, num_levels: int, new_conv_norm: Norm) -> Backbone:
    """A base network with the extra blocks that give it `num_levels` maps from stride 8 on."""
    choices = (3, 4, 5) if name.startswith("res") else (3, 4) if name == "mobilenet" else (4,)
    if num_levels not in choices:
        raise ValueError(f"num_levels is {num_levels}; {name} can have {' or '.join(map(str, choices))}")
    match name:
        case "mobilenet":
            return MobileNet(num_levels)
        case "vgg16" | "vgg16bn":
            return VGG16(name == "vgg16bn", new_conv_norm)
        case "resnet50":
            return ResNet((3, 4, 6, 3), num_extras=num_levels - 3)
        case "resnet101":
            return ResNet((3, 4, 23, 3), num_extras=num_levels - 3)
        case "resnext101":
            return ResNet((3, 4, 23, 3), groups=64, width_per_group=4, num_extras=num_levels - 3)
