"""GIF 87a and 89a by Pillow, which is handed the first frame alone."""

import io
import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.detection.formats.header import ImageHeader
from service.detection.formats.transparency import over_white
from service.errors import ImageError

MAX_BLOCKS = 20_000  # before the first frame; comments and metadata are stored in blocks of up to 255 bytes
EXTENSION, FRAME, TRAILER = 0x21, 0x2C, 0x3B
GRAPHIC_CONTROL = 0xF9

WEIGHT = 4.5  # see ImageHeader.weight


@dataclass(frozen=True)
class Frame:
    """The first frame: its place on the screen in pixels, where its descriptor starts, and the control before it."""

    x: int
    y: int
    width: int
    height: int
    start: int
    control: bytes

    def screen(self, body: bytes) -> tuple[int, int]:
        """(height, width) of the screen, which browsers enlarge to hold the frame."""
        width, height = struct.unpack_from("<HH", body, 6)
        return max(height, self.y + self.height), max(width, self.x + self.width)


def read_header(body: bytes) -> ImageHeader:
    """The header of a GIF file; raises ImageError 422, and struct.error if it is cut short."""
    return ImageHeader("gif", *_first_frame(body).screen(body), weight=WEIGHT)


def decode(body: bytes) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of the first frame, on a white screen. Raises Pillow's errors."""
    frame = _first_frame(body)
    descriptor = struct.pack("<BHHHH", FRAME, 0, 0, frame.width, frame.height)
    screen = struct.pack("<HH", frame.width, frame.height)
    file = [body[:6], screen, body[10 : _screen_end(body)], frame.control, descriptor, body[frame.start + 9 :]]
    with Image.open(io.BytesIO(b"".join(file)), formats=["gif"]) as image:
        if image.has_transparency_data:
            pixels = over_white(np.asarray(image.convert("RGBA")))
        else:
            pixels = np.asarray(image.convert("RGB"))
    height, width = frame.screen(body)
    if pixels.shape[:2] == (height, width):
        return pixels
    whole = np.full((height, width, 3), 255, np.uint8)
    whole[frame.y : frame.y + frame.height, frame.x : frame.x + frame.width] = pixels
    return whole


def _screen_end(body: bytes) -> int:
    """The position behind the screen's descriptor and its palette."""
    return 13 + (3 << (body[10] & 7) + 1 if body[10] & 0x80 else 0)


def _first_frame(body: bytes) -> Frame:
    at, control = _screen_end(body), b""
    extension: int | None = None  # the label of the extension that is being read
    for _ in range(MAX_BLOCKS):
        first = body[at]
        if extension is not None:
            if first == 0:
                extension = None
            elif extension == GRAPHIC_CONTROL and first >= 4:
                is_transparent, index = body[at + 1] & 1, body[at + 4]
                control = bytes([EXTENSION, GRAPHIC_CONTROL, 4, is_transparent, 0, 0, index, 0])
            at += 1 + first
        elif first == FRAME:
            x, y, width, height = struct.unpack_from("<HHHH", body, at + 1)
            return Frame(x, y, width, height, at, control)
        elif first == TRAILER:
            raise ImageError(422, "the GIF file has no frame")
        elif first == EXTENSION:
            extension = body[at + 1]
            at += 2
        else:  # a stray byte, which viewers skip
            at += 1
    raise ImageError(422, f"the GIF file has more than {MAX_BLOCKS} blocks before its first frame; save it again")
