"""VGG-16 as a base network, with and without batch norm."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.layers.convolution import Norm, conv, initialise_from_scratch


class VGG16(nn.Module):
    """VGG-16 as in SSD (Liu et al. 2016, §3): fc6 and fc7 as convolutions, then conv8 and conv9 of stride 2.

    `features` has torchvision's layers and keys. The map of stride 8 is conv4_3; without batch norm, L2Norm scales it.
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
        """images (B, 3, H, W) -> a feature map for each stride, finest first."""
        conv4_3 = self.features[: self.conv4_3_end](images)
        conv5_3 = self.features[self.conv4_3_end :](conv4_3)
        fc7 = F.relu(self.fc7(F.relu(self.fc6(conv5_3))))
        conv8 = self.conv8(fc7)
        return [self.l2norm(conv4_3), fc7, conv8, self.conv9(conv8)]


def vgg16_features(batch_norm: bool) -> nn.Sequential:
    """The 13 convolutions and 5 poolings, as in SSD.

    The third pooling rounds up. The last pooling keeps the size, because the dilation of fc6 replaces its stride.
    """
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
    """Scales each cell's channels to unit length, then each channel by a learnt weight that starts at 20 (SSD §3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((channels,), 20.0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        return F.normalize(x, dim=1, eps=1e-10) * self.weight.view(1, -1, 1, 1)
