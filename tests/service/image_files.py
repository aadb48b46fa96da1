"""Image files, whole and damaged."""

import io
import struct
import zlib
from typing import Any

from PIL import Image


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    """The image as a file of Pillow's format `kind`, such as JPEG."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width: int, height: int) -> bytes:
    """The start of a PNG file of that size in pixels; the compressed pixels are missing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header)) + b"\0" * 64
