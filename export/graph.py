"""The graph that is exported, from images to candidates, and the steps that prepare a model for it."""

import copy
import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from export.offset_conv_function import DOMAIN, NAME, VERSION
from models.detector import normalise
from models.layers.batch_norm import FrozenBatchNorm2d
from models.passd.offset_conv import OffsetConv


class ExportGraph(nn.Module):
    """A detector with normalisation before it and top-k after it: the contract of `model.onnx` in service/bundle.py.

    It can only be traced: torch cannot compute the nodes that replace its offset convolutions. `model` is not changed.
    """

    def __init__(self, model: nn.Module, max_candidates: int) -> None:
        super().__init__()
        self.model: Any = copy.deepcopy(model).eval()
        replace_offset_conv(self.model)
        self.max_candidates = max_candidates

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images uint8 (B, H, W, 3) RGB -> boxes (B, T, 4) xyxy, scores (B, T), labels (B, T) int32."""
        found: tuple[Tensor, Tensor, Tensor] = self.model.candidates(self.model(normalise(images)), self.max_candidates)
        return found


class OffsetConvNode(nn.Module):
    """An offset convolution in the form of a 1x1 convolution and one node `singleshot::OffsetConv`."""

    def __init__(self, layer: OffsetConv) -> None:
        super().__init__()
        self.projection = nn.Parameter(layer.projection().detach())
        self.bias = nn.Parameter(layer.bias().detach().flatten())
        self.boxes_per_cell = layer.boxes_per_cell

    def forward(self, features: Tensor, geometry: Tensor) -> Tensor:
        """features (B, channels, H, W), geometry (B, A, 4, H, W) in cells -> (B, A, O, H, W)."""
        batch, _, height, width = features.shape
        output: Tensor = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{NAME}",
            (F.conv2d(features, self.projection), geometry.flatten(1, 2), self.bias),
            {"boxes": self.boxes_per_cell},
            dtype=features.dtype,
            shape=(batch, len(self.bias), height, width),
            version=VERSION,
        )
        return output.view(batch, self.boxes_per_cell, -1, height, width)


def replace_offset_conv(module: nn.Module) -> None:
    """Replace each OffsetConv below `module` with an OffsetConvNode."""
    for name, child in module.named_children():
        if isinstance(child, OffsetConv):
            setattr(module, name, OffsetConvNode(child))
        else:
            replace_offset_conv(child)


def fold_and_round(model: nn.Module) -> None:
    """Change a model in evaluation mode, in place, to the form in which a bundle holds it."""
    fold_batch_norm(model)
    round_weights(model)


def fold_batch_norm(module: nn.Module) -> None:
    """Fold each batch norm into the convolution that is registered just before it, in place.

    `module` must be in evaluation mode.
    """
    children = list(module.named_children())
    for (name, first), (next_name, second) in itertools.pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            # its annotation lacks FrozenBatchNorm2d, which has all attributes that fuse_conv_bn_eval reads
            setattr(module, name, fuse_conv_bn_eval(first, second))  # type: ignore[arg-type]
            setattr(module, next_name, nn.Identity())
    for _, child in children:
        fold_batch_norm(child)


@torch.no_grad()
def round_weights(model: nn.Module) -> None:
    """Round the filters to fp16, in which a bundle stores them; biases are not rounded."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.copy_(parameter.half())
