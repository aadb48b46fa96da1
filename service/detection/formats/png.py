"""PNG (W3C, third edition) by Pillow, which is handed no more than the chunks that make the pixels.

libpng in OpenCV writes errors to stderr at any log level.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.detection.formats.exif import orientation_of
from service.detection.formats.header import ImageHeader
from service.detection.formats.transparency import grey_to_rgb, over_white
from service.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 10_000  # encoders write the pixels in chunks of 8 KiB or more
READ_BYTES = 2**14  # decompressed at a time: at most 16 MB come of them
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
ADAM7 = (
    (0, 0, 8, 8),
    (0, 4, 8, 8),
    (4, 0, 8, 4),
    (0, 2, 4, 4),
    (2, 0, 4, 2),
    (0, 1, 2, 2),
    (1, 0, 2, 1),
)  # y, x, dy, dx

# see ImageHeader.weight
BASE, BYTE_OF_A_PIXEL, ALPHA = 0.5, 2.2, 2.0
ROW = 20.0  # for each row, which matters if the rows are short
INTERLACED = 2.2  # a factor


@dataclass(frozen=True)
class Layout:
    """How the pixels are stored: the fields of the chunk IHDR."""

    width: int
    height: int
    depth: int
    colour: int
    compression: int
    filtering: int
    interlace: int

    @property
    def num_bytes(self) -> int:
        """Bytes of all rows, decompressed."""
        bits = self.depth * CHANNELS[self.colour]
        passes = ADAM7 if self.interlace else ((0, 0, 1, 1),)
        sizes = [(-(-(self.height - y) // dy), -(-(self.width - x) // dx)) for y, x, dy, dx in passes]
        return sum(height * (1 + -(-width * bits // 8)) for height, width in sizes if height > 0 and width > 0)


def read_header(body: bytes) -> ImageHeader:
    """The header of a PNG file; raises ImageError 422, and struct.error if it is cut short."""
    if body[12:16] != b"IHDR":
        raise ImageError(422, "the PNG file does not begin with its IHDR chunk")
    layout = Layout(*struct.unpack_from(">IIBBBBB", body, 16))
    if layout.colour not in CHANNELS:
        raise ImageError(422, f"the PNG file has the unknown colour type {layout.colour}")
    weight = BASE + BYTE_OF_A_PIXEL * CHANNELS[layout.colour] * layout.depth / 8
    weight += ALPHA if layout.colour in (GREY_ALPHA, RGBA) else 0
    weight += ROW / max(1, layout.width)
    orientation = 1
    for name, start, end in _chunks(body):
        if name == b"eXIf":
            orientation = orientation_of(body[start:end])
        if name in (b"eXIf", b"IDAT"):  # decoders honour eXIf before the pixels
            break
    return ImageHeader(
        "png", layout.height, layout.width, orientation, weight=weight * (INTERLACED if layout.interlace else 1)
    )


def decode(body: bytes) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of a PNG: of an animation, its still image.

    Raises ImageError 422 if the file is broken or cut short, and Pillow's errors.
    """
    chunks: dict[bytes, list[bytes]] = {b"PLTE": [], b"tRNS": [], b"IDAT": []}
    for name, start, end in _chunks(body):
        is_late = chunks[b"IDAT"] and name != b"IDAT"
        is_damaged = name == b"tRNS" and body[end : end + 4] != zlib.crc32(name + body[start:end]).to_bytes(4, "big")
        if name in chunks and not is_late and not is_damaged:
            chunks[name].append(body[start:end])
    layout = Layout(*struct.unpack_from(">IIBBBBB", body, 16))
    palette, transparency = b"".join(chunks[b"PLTE"][:1]), b"".join(chunks[b"tRNS"][:1])
    data = b"".join(chunks[b"IDAT"])
    file = [SIGNATURE, _chunk(b"IHDR", body[16:29])]
    if layout.colour == PALETTE:
        if not palette:
            raise ImageError(422, "the PNG file has no palette")
        file.append(_chunk(b"PLTE", palette[:768].ljust(768, b"\0")))  # a colour beyond the palette is black
        if transparency:
            file.append(_chunk(b"tRNS", transparency[:256]))
    with Image.open(
        io.BytesIO(b"".join([*file, _chunk(b"IDAT", data), _chunk(b"IEND", b"")])), formats=["png"]
    ) as image:
        image.load()
        last_row = image.crop((0, image.height - 1, image.width, image.height))
        may_be_short = layout.interlace or not np.asarray(last_row).any()  # Pillow leaves missing rows at 0
        if may_be_short and not _has_bytes(data, layout.num_bytes):
            raise ImageError(422, "the PNG image is cut short: rows are missing")
        if layout.colour in (GREY, RGB):
            return _without_alpha(image, layout, transparency)
        if layout.colour == PALETTE and not transparency:
            return np.asarray(image.convert("RGB"))
        return over_white(np.asarray(image.convert("RGBA")))


def _chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of the data of each chunk up to IEND; the last one may be cut short."""
    at = len(SIGNATURE)
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(body):
            return
        length, name = struct.unpack_from(">I4s", body, at)
        if name == b"IEND":
            return
        yield name, at + 8, at + 8 + length
        at += 12 + length
    raise ImageError(422, f"the PNG file has more than {MAX_CHUNKS} chunks; save it again without metadata")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + zlib.crc32(data, zlib.crc32(name)).to_bytes(4, "big")


def _has_bytes(data: bytes, num_bytes: int) -> bool:
    """Whether `data` decompresses to `num_bytes`, with little memory."""
    stream, got = zlib.decompressobj(), 0
    for start in range(0, len(data), READ_BYTES):
        got += len(stream.decompress(data[start : start + READ_BYTES]))
        if got >= num_bytes:
            return True
    return False


def _without_alpha(image: Image.Image, layout: Layout, transparency: bytes) -> NDArray[np.uint8]:
    """uint8 [H, W, 3] of a grey or RGB image; `transparency` holds the one colour that stands for white, or nothing."""
    if layout.colour == RGB:
        rgb = samples = np.asarray(image)
    elif layout.depth == 16:
        samples = np.asarray(image)[..., None]
        rgb = grey_to_rgb((samples[..., 0] >> 8).astype(np.uint8))
    else:
        samples = np.asarray(image.convert("L"))[..., None]
        rgb = grey_to_rgb(samples[..., 0])
    if len(transparency) != 2 * CHANNELS[layout.colour]:
        return rgb
    colour = np.array(struct.unpack(f">{CHANNELS[layout.colour]}H", transparency))
    if layout.depth < 8:
        colour = colour * 255 // (2**layout.depth - 1)
    elif layout.colour == RGB:
        colour >>= layout.depth - 8  # of 16 bits Pillow keeps the high ones
    is_transparent = (samples == colour).all(axis=2, keepdims=True)
    return np.where(is_transparent, np.uint8(255), rgb)
