"""The header of an image file: format, size and orientation, read without decoding a pixel."""

import struct
from collections.abc import Callable

from service.detection.formats import bmp, gif, jpeg, png, webp
from service.detection.formats.header import ImageHeader, Kind
from service.errors import ImageError

__all__ = ["ImageHeader", "Kind", "kind_of", "read_header"]

_READERS: dict[Kind, Callable[[bytes], ImageHeader]] = {
    "jpeg": jpeg.read_header,
    "png": png.read_header,
    "webp": webp.read_header,
    "bmp": bmp.read_header,
    "gif": gif.read_header,
}


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
