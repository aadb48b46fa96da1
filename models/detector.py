"""The interface of both detectors, the normalisation of their input, and the choice of candidates."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from models.constants import built_once

# ImageNet's channel statistics in RGB, in units of 0…255, as torchvision's weights require.
IMAGE_MEAN = (123.675, 116.28, 103.53)
IMAGE_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Targets:
    """The objects of one image: boxes (M, 4) xyxy in input pixels; labels (M) int64, indices into the classes.

    ignored (I, 4) xyxy: areas with objects that have no boxes of their own, such as crowds; a box inside such an area
    is neither positive nor negative.
    """

    boxes: Tensor
    labels: Tensor
    ignored: Tensor = field(default_factory=lambda: torch.zeros(0, 4))

    def to(self, device: str | torch.device) -> "Targets":
        """The same objects on a device; from pinned memory, the copy does not wait for the device."""
        return Targets(*(x.to(device, non_blocking=True) for x in (self.boxes, self.labels, self.ignored)))

    def pin_memory(self) -> "Targets":
        """The same objects in pinned memory; torch's loader calls this."""
        return Targets(self.boxes.pin_memory(), self.labels.pin_memory(), self.ignored.pin_memory())


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

    def candidates(self, predictions: Any, max_candidates: int) -> tuple[Tensor, Tensor, Tensor]:
        """The T best candidates: boxes (B, T, 4), scores (B, T), in falling order, labels (B, T) int32."""
        ...


def normalise(images: Tensor) -> Tensor:
    """images uint8 (B, H, W, 3) RGB -> float32 (B, 3, H, W), with zero mean and unit variance on ImageNet."""
    # Channels come first, because engines on a CPU are several times slower if the last axis has three elements.
    mean, std = channel_statistics(images.device)
    return (images.float().permute(0, 3, 1, 2) - mean) / std


@built_once
def channel_statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """IMAGE_MEAN and IMAGE_STD -> (3, 1, 1) each."""
    mean, std = (torch.tensor(values, device=device).view(3, 1, 1) for values in (IMAGE_MEAN, IMAGE_STD))
    return mean, std
