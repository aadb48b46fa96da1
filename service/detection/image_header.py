"""The header of an image file: format, size and orientation, read without decoding a pixel."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from service.errors import ImageError

Kind = Literal["jpeg", "png", "webp", "bmp", "gif"]

ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
MAX_JPEG_SCANS = 200  # a progressive file has about ten; each has a fixed cost, even in an image of one pixel
MAX_JPEG_SEGMENTS = 10_000  # between frame and EOI; a progressive file has about thirty
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # ITU T.81, table B.1: SOF0…SOF15
JPEG_ALONE = frozenset(range(0xD0, 0xD9)) | {0x01}  # markers without a length
JPEG_PROGRESSIVE = frozenset([0xC2, 0xCA])
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")  # within coded data: neither a stuffed byte nor a restart marker

# CPU time to decode one pixel, in units of a baseline JPEG's (4:2:0, quality 85): medians of decoding 4000×3000 pixels
# of a photograph in turns, and of the slowest form if several share a constant
PROGRESSIVE = 1.5  # once for an image with several scans
SCAN = 0.3  # for each of its scans
CMYK = 6.0
PNG_BASE, PNG_BYTE = 1.5, 3.0  # once, and for each byte of a pixel
PNG_INTERLACED = 1.5  # a factor
WEBP_LOSSY, WEBP_LOSSLESS = 3.0, 8.0
GIF, BMP = 6.0, 1.2


@dataclass(frozen=True)
class ImageHeader:
    """The size of the stored pixels, the EXIF orientation 1…8, and the number of components (JPEG only).

    weight: the time to decode a pixel, in units of a baseline JPEG's.
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
        return int(self.height * self.width * self.weight)

    @property
    def is_turned(self) -> bool:
        """Whether turning the image upright swaps height and width."""
        return self.orientation >= 5

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) of the upright image, as a viewer shows it."""
        return (self.width, self.height) if self.is_turned else (self.height, self.width)


def read_header(body: bytes) -> ImageHeader:
    """Read the header; raises ImageError 415 if the magic bytes are unknown, and 422 if the header is broken."""
    kind = kind_of(body)
    try:
        header = _READERS[kind](body)
    except (struct.error, IndexError) as error:
        raise ImageError(422, f"the {kind.upper()} file ends inside its header ({len(body)} bytes)") from error
    if header.height <= 0 or header.width <= 0:
        raise ImageError(422, f"the {kind.upper()} header gives {header.width}×{header.height} pixels")
    return header


def kind_of(body: bytes) -> Kind:
    """The format of an image file by its magic bytes; raises ImageError 415."""
    if body.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "webp"
    if body.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if body.startswith(b"BM"):
        return "bmp"
    raise ImageError(415, "not an image that this server reads; send a JPEG, PNG, WebP, BMP or GIF file")


def _read_jpeg(body: bytes) -> ImageHeader:
    orientation = 1
    for marker, start, end in _jpeg_segments(body):
        if marker == 0xE1 and body[start : start + 6] == b"Exif\0\0":
            orientation = _orientation(body[start + 6 : end])
        elif marker in JPEG_FRAMES:
            height, width, components = struct.unpack_from(">xHHB", body, start)
            weight = _jpeg_weight(body, end, components, is_progressive=marker in JPEG_PROGRESSIVE)
            return ImageHeader("jpeg", height, width, orientation, components, weight)
    raise ImageError(422, "the JPEG file has no frame header before its data")


def _jpeg_weight(body: bytes, frame_end: int, components: int, *, is_progressive: bool) -> float:
    """The weight of a JPEG whose frame header ends at `frame_end`; its scans are counted up to EOI."""
    colours = CMYK if components == 4 else 1.0
    scans, at = 0, frame_end
    for _ in range(MAX_JPEG_SEGMENTS):
        found = JPEG_MARKER.search(body, at)
        if found is None or body[found.end() - 1] == 0xD9:
            break
        at = found.end()
        marker = body[at - 1]
        if marker == 0xDA:
            if not is_progressive and body[at + 2] == components:
                return colours  # the only scan: its bytes need not be searched
            scans += 1
            if scans > MAX_JPEG_SCANS:
                raise ImageError(422, f"the JPEG has more than {MAX_JPEG_SCANS} scans; save it as a baseline JPEG")
        if marker not in JPEG_ALONE:
            at += max(2, struct.unpack_from(">H", body, at)[0])
    else:
        raise ImageError(422, f"the JPEG file has more than {MAX_JPEG_SEGMENTS} segments")
    return colours + PROGRESSIVE + SCAN * scans


def _jpeg_segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of the segments before the image data."""
    at = 2
    while True:
        if body[at] != 0xFF:
            raise ImageError(422, f"the JPEG file has no marker at byte {at}")
        marker = body[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in JPEG_ALONE:
            at += 2
        elif marker in (0xDA, 0xD9):
            return
        else:
            (length,) = struct.unpack_from(">H", body, at + 2)
            if length < 2:
                raise ImageError(422, f"the JPEG file has a segment of length {length} at byte {at}")
            yield marker, at + 4, at + 2 + length
            at += 2 + length


def _read_png(body: bytes) -> ImageHeader:
    if body[12:16] != b"IHDR":
        raise ImageError(422, "the PNG file does not begin with its IHDR chunk")
    width, height, depth, colour, _, _, interlace = struct.unpack_from(">IIBBBBB", body, 16)
    channels = {2: 3, 4: 2, 6: 4}.get(colour, 1)
    weight = (PNG_BASE + PNG_BYTE * channels * max(1, depth / 8)) * (PNG_INTERLACED if interlace else 1)
    orientation, at = 1, 8
    while at + 8 <= len(body):
        length, name = struct.unpack_from(">I4s", body, at)
        if name == b"eXIf":
            orientation = _orientation(body[at + 8 : at + 8 + length])
        if name in (b"eXIf", b"IDAT"):  # decoders honour eXIf before the pixels
            break
        at += 12 + length
    return ImageHeader("png", height, width, orientation, weight=weight)


def _read_webp(body: bytes) -> ImageHeader:
    form = body[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 26)
        return ImageHeader("webp", height & 0x3FFF, width & 0x3FFF, weight=WEBP_LOSSY)
    if form == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 21)
        return ImageHeader("webp", (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1, weight=WEBP_LOSSLESS)
    if form != b"VP8X":
        raise ImageError(422, f"the WebP file begins with an unknown chunk {form!r}")
    flags = body[20]
    width = int.from_bytes(body[24:27], "little") + 1
    height = struct.unpack_from("<I", body, 26)[0] >> 8
    orientation, at = 1, 12
    while flags & 0x08 and at + 8 <= len(body):
        name, length = struct.unpack_from("<4sI", body, at)
        if name == b"EXIF":
            orientation = _orientation(body[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
            break
        at += 8 + length + length % 2
    return ImageHeader("webp", height + 1, width, orientation, weight=WEBP_LOSSLESS)


def _read_bmp(body: bytes) -> ImageHeader:
    (header_size,) = struct.unpack_from("<I", body, 14)
    width, height = struct.unpack_from("<HH" if header_size == 12 else "<ii", body, 18)
    return ImageHeader("bmp", abs(height), abs(width), weight=BMP)


def _read_gif(body: bytes) -> ImageHeader:
    width, height = struct.unpack_from("<HH", body, 6)
    return ImageHeader("gif", height, width, weight=GIF)


_READERS = {"jpeg": _read_jpeg, "png": _read_png, "webp": _read_webp, "bmp": _read_bmp, "gif": _read_gif}


def _orientation(tiff: bytes) -> int:
    """The orientation 1…8 in EXIF data; 1 if it is missing or damaged, as in image viewers."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(count):
            tag, field_type, _, value = struct.unpack_from(order + "HHIH", tiff, directory + 2 + 12 * entry)
            if tag == ORIENTATION_TAG:
                return value if field_type == 3 and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
