"""The interface of both detectors, the normalisation of their input, and the choice of candidates."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

# ImageNet's channel statistics in RGB, in units of 0…255, as torchvision's weights require.
IMAGE_MEAN = (123.675, 116.28, 103.53)
IMAGE_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Targets:
    """The objects of one image: boxes (M, 4) xyxy in input pixels; labels (M) int64, indices into the classes."""

    boxes: Tensor
    labels: Tensor


class Detector(Protocol):
    """A network with a loss and a decoder. Each detector has its own type of predictions."""

    classes: tuple[str, ...]

    def __call__(self, images: Tensor) -> Any:
        """images float (B, 3, H, W), normalised -> predictions."""
        ...

    def loss(self, predictions: Any, targets: list[Targets]) -> dict[str, Tensor]:
        """The terms of the loss by name; training minimises their sum."""
        ...

    def decode(self, predictions: Any) -> tuple[Tensor, Tensor]:
        """boxes (B, N, 4) xyxy in input pixels, not clipped; scores (B, N, K) without background."""
        ...


def normalise(images: Tensor) -> Tensor:
    """images uint8 (B, H, W, 3) RGB -> float32 (B, 3, H, W), with zero mean and unit variance on ImageNet."""
    # Channels come first, because engines on a CPU are several times slower if the last axis has three elements.
    mean = torch.tensor(IMAGE_MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(IMAGE_STD, device=images.device).view(3, 1, 1)
    return (images.float().permute(0, 3, 1, 2) - mean) / std


def best_candidates(boxes: Tensor, scores: Tensor, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
    """The T = `max_candidates` best (box, class) pairs: boxes (B, N, 4), scores (B, N, K) -> boxes, scores, labels.

    The shapes are (B, T, 4), (B, T) and (B, T) int32. If there are fewer than T pairs, rows with score 0 pad the end.

    The result is exact, and far cheaper than sorting N x K scores: each of the T best pairs belongs to one of the T
    boxes whose best class has the highest scores. For any other box, T pairs are above each of its own.
    """
    num_boxes, num_classes = scores.shape[1:]
    top_boxes = scores.amax(dim=2).topk(min(max_candidates, num_boxes), dim=1).indices  # (B, T')
    boxes = boxes.gather(1, top_boxes[..., None].expand(-1, -1, 4))
    scores = scores.gather(1, top_boxes[..., None].expand(-1, -1, num_classes))
    num_pairs = min(max_candidates, scores.shape[1] * num_classes)
    top_scores, pairs = scores.flatten(1).topk(num_pairs, dim=1)  # (B, T)
    boxes = boxes.gather(1, (pairs // num_classes)[..., None].expand(-1, -1, 4))
    labels = (pairs % num_classes).to(torch.int32)
    padding = max_candidates - num_pairs
    if padding:
        boxes = torch.nn.functional.pad(boxes, (0, 0, 0, padding))
        top_scores = torch.nn.functional.pad(top_scores, (0, padding))
        labels = torch.nn.functional.pad(labels, (0, padding))
    return boxes, top_scores, labels
