"""How a detector wants its pixels: their range, their mean and deviation, and the order of the channels."""

from dataclasses import dataclass
from typing import Literal

Scale = Literal["0-1", "0-255"]
Channels = Literal["rgb", "bgr"]
PerChannel = tuple[float, float, float]


@dataclass(frozen=True)
class Normalisation:
    """(pixel in `scale` - mean) / std. Mean and std are in units of `scale` and in the order of `channels`."""

    scale: Scale = "0-1"
    mean: PerChannel = (0.0, 0.0, 0.0)
    std: PerChannel = (1.0, 1.0, 1.0)
    channels: Channels = "rgb"

    @property
    def is_identity(self) -> bool:
        """Whether the model gets the pixels 0…255 as they are, except for the order of their channels."""
        return self.scale == "0-255" and not self.has_statistics

    @property
    def has_statistics(self) -> bool:
        return any(self.mean) or any(value != 1 for value in self.std)

    def __str__(self) -> str:
        statistics = ", ".join(
            f"{name} {' '.join(f'{value:g}' for value in values)}"
            for name, values in (("mean", self.mean), ("std", self.std))
        )
        return f"{self.channels.upper()} in {self.scale}" + (f", {statistics}" if self.has_statistics else "")


# ImageNet's channel statistics in units of 0…1
IMAGE_NET = Normalisation("0-1", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "rgb")
