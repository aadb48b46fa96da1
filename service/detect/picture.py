"""One picture of a run: an image file or a frame of a video, and what becomes of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from service.detect.detector import Found
from service.detection.image_views import Image


@dataclass(frozen=True)
class Picture:
    """A picture that is not read yet. `read` gives its file or its pixels, and raises OSError and ImageError.

    `seconds` is the time of a frame from the start of its video, None for an image file. `num_pixels` are those that it
    holds in memory already: a frame's.
    """

    name: str
    read: Callable[[], Image]
    seconds: float | None = None
    num_pixels: int = 0


@dataclass(frozen=True)
class Failure:
    """A picture that could not be used, or a video that ends in an error."""

    name: str
    reason: str


@dataclass(frozen=True)
class Result:
    """A picture in which the model has run. `line` is its line of JSON; `content` is its own file, if it gets one."""

    name: str
    found: Found
    line: bytes
    content: bytes | None = None


def batched(pictures: Iterator[Picture | Failure], size: int) -> Iterator[list[Picture | Failure]]:
    """The pictures in groups of `size`; the last group may be smaller."""
    while batch := list(islice(pictures, size)):
        yield batch
