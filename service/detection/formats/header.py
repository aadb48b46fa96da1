"""The header of an image file, in the same terms for each format."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["jpeg", "png", "webp", "bmp", "gif"]


@dataclass(frozen=True)
class ImageHeader:
    """The size of the stored pixels, the EXIF orientation 1…8, and the number of components (JPEG only).

    weight: CPU time to decode a pixel, in units of a baseline JPEG's (4:2:0, quality 85, at full size). Each format has
    constants for it: medians of several decodings, in turns, of a photograph with noise of 4000×3000 pixels.
    """

    kind: Kind
    height: int
    width: int
    orientation: int = 1
    components: int = 0
    weight: float = 1.0

    @property
    def work(self) -> int:
        """What a decoder will do: the pixels of a baseline JPEG that takes as long to decode as this image."""
        return round(self.height * self.width * self.weight)

    @property
    def is_turned(self) -> bool:
        """Whether turning the image upright swaps height and width."""
        return self.orientation >= 5

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) of the upright image, as a viewer shows it."""
        return (self.width, self.height) if self.is_turned else (self.height, self.width)
