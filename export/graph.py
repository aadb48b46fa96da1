"""The function that is exported: images to candidates, with everything up to top-k inside."""

import itertools
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.detector import best_candidates, normalise
from models.frozen_batch_norm import FrozenBatchNorm2d


class ExportGraph(nn.Module):
    """A detector between normalisation and top-k: the contract of `model.onnx` in service/bundle.py."""

    def __init__(self, model: Any, max_candidates: int) -> None:
        super().__init__()
        self.model = model.eval()
        self.max_candidates = max_candidates

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """images uint8 (B, H, W, 3) RGB -> boxes (B, T, 4) xyxy, scores (B, T), labels (B, T) int32."""
        boxes, scores = self.model.decode(self.model(normalise(images)))
        return best_candidates(boxes, scores, self.max_candidates)


def fold_batch_norm(module: nn.Module) -> None:
    """Fold each batch norm into the convolution registered just before it, in place; `module` is in evaluation mode."""
    children = list(module.named_children())
    for (name, first), (next_name, second) in itertools.pairwise(children):
        if isinstance(first, nn.Conv2d) and isinstance(second, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            setattr(module, name, fuse_conv_bn_eval(first, second))  # type: ignore[arg-type]  # it reads what both kinds have
            setattr(module, next_name, nn.Identity())
    for _, child in children:
        fold_batch_norm(child)


@torch.no_grad()
def round_weights(model: nn.Module) -> None:
    """Round the filters to fp16, in which a bundle stores them; biases stay as they are."""
    for parameter in model.parameters():
        if parameter.ndim > 1:
            parameter.copy_(parameter.half())
