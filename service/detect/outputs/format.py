"""What a form of output consists of: one file for all pictures, or a folder with a file for each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

from service.bundle import Manifest
from service.detect.detector import Found
from service.detection.image_views import Image

Convert = Callable[[Iterable[dict[str, Any]], Manifest, BinaryIO], str]
"""Writes one file from the lines of the journal -> a note for the user, or an empty string. Raises OutputError."""

Content = Callable[[Image, Found, Manifest], bytes]
"""The content of a picture's own file. Raises ImageError."""


class OutputError(Exception):
    """The output cannot be written; the message names it and the remedy."""


@dataclass(frozen=True)
class Format:
    """A form of output. JSON lines are the journal itself and need neither `convert` nor `content`.

    A form with `content` is a folder, in which the picture photos/a.png has the file that `file_name` makes of it.
    """

    name: str
    convert: Convert | None = None
    content: Content | None = None
    file_name: Callable[[str], str] = str

    @property
    def is_folder(self) -> bool:
        """Whether each picture has a file of its own."""
        return self.content is not None
