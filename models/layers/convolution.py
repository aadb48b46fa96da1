"""Convolutions with or without batch norm, and how convolutions are initialised."""

from typing import Literal

from torch import nn

Norm = Literal["bn", "none"]


def conv(in_channels: int, out_channels: int, kernel: int, norm: Norm, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (divided by its stride); if `norm` is "bn", batch norm replaces its bias."""
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=norm == "none")
    initialise_new(layer)
    return nn.Sequential(layer) if norm == "none" else nn.Sequential(layer, nn.BatchNorm2d(out_channels))


def initialise_new(module: nn.Module) -> None:
    """For layers that no pretrained network has: Gaussian weights of sigma 0.01, zero bias.  # PASSD §6.1"""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def initialise_from_scratch(module: nn.Module) -> None:
    """For networks with a ReLU after each convolution: He initialisation by fan-out, zero bias."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
