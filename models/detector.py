"""What the two detectors share: the types at their borders, and the step from dense predictions to candidates."""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

# ImageNet's channel statistics in RGB, on 0…255: the convention of torchvision's weights.
IMAGE_MEAN = (123.675, 116.28, 103.53)
IMAGE_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Targets:
    """The objects of one image: boxes (M, 4) xyxy in input pixels, labels (M) int64 index into the classes."""

    boxes: Tensor
    labels: Tensor


class Detector(Protocol):
    """A network with a criterion and a decoder. Predictions are each detector's own; only their shape is shared."""

    classes: tuple[str, ...]

    def __call__(self, images: Tensor) -> Any:
        """images float (B, 3, H, W), normalised -> the detector's predictions."""
        ...

    def loss(self, predictions: Any, targets: list[Targets]) -> dict[str, Tensor]:
        """The terms of the loss by name; training minimises their sum."""
        ...

    def decode(self, predictions: Any) -> tuple[Tensor, Tensor]:
        """boxes (B, N, 4) xyxy in input pixels, not clipped; scores (B, N, K) without background."""
        ...


def normalise(images: Tensor) -> Tensor:
    """images uint8 (B, H, W, 3) RGB -> float32 (B, 3, H, W), zero mean and unit variance on ImageNet."""
    # planes first: on a last axis of three numbers, engines on a CPU take several times as long
    mean = torch.tensor(IMAGE_MEAN, device=images.device).view(3, 1, 1)
    std = torch.tensor(IMAGE_STD, device=images.device).view(3, 1, 1)
    return (images.float().permute(0, 3, 1, 2) - mean) / std


def best_candidates(boxes: Tensor, scores: Tensor, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `max_candidates` best (box, class) pairs: boxes (B, N, 4), scores (B, N, K) -> (B, T, 4), (B, T), (B, T) int32.

    Exact, and far cheaper than sorting N x K scores: each of the T best pairs lies in one of the T boxes with the best
    single class, for any box outside that set has T pairs above each of its own. Where there are fewer than T pairs,
    rows of score 0 pad the end.
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
