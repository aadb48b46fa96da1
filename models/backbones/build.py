"""Builds base networks with extra blocks: from images to one feature map for each stride."""

from typing import Literal

from models.backbones.mobilenet import Activation, MobileNet
from models.backbones.resnet import ResNet
from models.backbones.vgg import VGG16
from models.layers.convolution import Norm

BackboneName = Literal["mobilenet", "vgg16", "vgg16bn", "resnet50", "resnet101", "resnext101"]
Backbone = MobileNet | VGG16 | ResNet


def build_backbone(
    name: BackboneName, num_levels: int, new_conv_norm: Norm, activation: Activation = "relu"
) -> Backbone:
    """A base network with extra blocks, so that it has `num_levels` feature maps from stride 8 on.

    Raises ValueError if the network does not have that many levels, or not that activation.
    """
    choices = (3, 4, 5) if name.startswith("res") else (3, 4) if name == "mobilenet" else (4,)
    if num_levels not in choices:
        raise ValueError(f"num_levels is {num_levels}; {name} can have {' or '.join(map(str, choices))}")
    if activation != "relu" and name != "mobilenet":
        raise ValueError(f"backbone_activation is {activation}; {name} has relu")
    match name:
        case "mobilenet":
            return MobileNet(num_levels, activation)
        case "vgg16" | "vgg16bn":
            return VGG16(name == "vgg16bn", new_conv_norm)
        case "resnet50":
            return ResNet((3, 4, 6, 3), num_extras=num_levels - 3)
        case "resnet101":
            return ResNet((3, 4, 23, 3), num_extras=num_levels - 3)
        case "resnext101":
            return ResNet((3, 4, 23, 3), groups=64, width_per_group=4, num_extras=num_levels - 3)
