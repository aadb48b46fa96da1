"""Folding batch norm into convolutions does not change what a network computes."""

import pytest
import torch
from torch import nn

from export.graph import fold_batch_norm
from models.layers.batch_norm import FrozenBatchNorm2d, freeze_batch_norm


def network() -> nn.Sequential:
    """A convolution with and one without a bias, each before a batch norm, one of them nested."""
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Sequential(nn.Conv2d(4, 5, 1), nn.BatchNorm2d(5)),
    )
    for layer in layers.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for name, tensor in layer.state_dict().items():
                if tensor.is_floating_point():
                    layer.get_buffer(name).uniform_(0.5, 2) if "running" in name else nn.init.uniform_(tensor, 0.5, 2)
    return layers.eval()


@pytest.mark.parametrize("is_frozen", [False, True])
def test_batch_norm_is_folded_into_its_convolution_whether_it_is_frozen_or_not(is_frozen: bool) -> None:
    layers, images = network(), torch.randn(2, 3, 8, 8)
    expected = layers(images)
    if is_frozen:
        freeze_batch_norm(layers)
    fold_batch_norm(layers)
    assert not any(isinstance(layer, (nn.BatchNorm2d, FrozenBatchNorm2d)) for layer in layers.modules())
    torch.testing.assert_close(layers(images), expected)
