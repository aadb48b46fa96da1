"""Excludes the first stages of a pretrained base network from training."""

from torch import nn

from models.backbones.build import Backbone
from models.backbones.mobilenet import MobileNet
from models.backbones.resnet import ResNet
from models.layers.batch_norm import freeze_batch_norm, frozen


def stages(backbone: Backbone) -> list[dict[str, nn.Module]]:
    """The modules, by name, of each stage that can be frozen, finest first; none of VGG-16.

    Those of a ResNet are its stem and layer1 to layer4, as Detectron counts them. Those of MobileNet end at the strides
    8, 16 and 32.
    """
    match backbone:
        case ResNet():
            names = [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)]
        case MobileNet():
            names = [(f"stages.{n}",) for n in range(len(backbone.stages))]
        case _:
            names = []
    return [{name: backbone.get_submodule(name) for name in stage} for stage in names]


def freeze_stages(backbone: Backbone, count: int) -> None:
    """Freeze the weights and the norms of the first `count` stages. Raises ValueError if there are not so many."""
    available = stages(backbone)
    if not 0 <= count <= len(available):
        raise ValueError(f"num_frozen_stages is {count}; this base network has {len(available)} stages to freeze")
    for stage in available[:count]:
        for name, module in stage.items():
            module.requires_grad_(False)
            if isinstance(module, nn.BatchNorm2d):
                setattr(backbone, name, frozen(module))
            else:
                freeze_batch_norm(module)
