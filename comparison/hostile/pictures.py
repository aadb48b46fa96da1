"""Image files that cost their decoder as much as files of their kind can, made of few bytes where possible."""

import io
import struct
import zlib
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 7000  # 49 million pixels, just within the server's limit
BODY_BYTES = 30 * 2**20  # just within the server's limit
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))  # PNG §8.2


def photograph(seed: int) -> bytes:
    """An ordinary JPEG of 640×480 pixels."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return encode(cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC), "JPEG")


def encode(pixels: NDArray[np.uint8], kind: str, **options: object) -> bytes:
    """The pixels as a file of Pillow's format `kind`."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(height: int, width: int, rows: bytes, *, depth: int = 8, colour: int = 0, interlace: int = 0) -> bytes:
    """A PNG file of filtered rows; colour 0 is grey, 2 RGB, 6 RGBA."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return PNG_SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def wide_png() -> bytes:
    """60,000×1 pixels in 100 bytes."""
    return png(1, 60_000, bytes(1 + 60_000))


def blank_png() -> bytes:
    """49 million grey pixels in a few kilobytes."""
    return png(SIDE, SIDE, bytes(SIDE * (1 + SIDE)))


def wide_grey_png() -> bytes:
    """49 million grey pixels of 16 bits."""
    return png(SIDE, SIDE, bytes(SIDE * (1 + 2 * SIDE)), depth=16)


def transparent_png() -> bytes:
    """49 million transparent pixels."""
    return png(SIDE, SIDE, bytes(SIDE * (1 + 4 * SIDE)), colour=6)


def interlaced_png(side: int = 4000) -> bytes:
    """Interlaced RGBA with 16 bits a channel: libpng's slowest form."""
    rows = b""
    for top, left, down, across in ADAM7:
        height, width = len(range(top, side, down)), len(range(left, side, across))
        rows += (b"\0" + b"\x12\x34\x56\x78\x9a\xbc\x80\x01" * width) * height
    return png(side, side, rows, depth=16, colour=6, interlace=1)


def png_with_large_texts(num_texts: int = 200) -> bytes:
    """zTXt chunks that each unpack to 16 MB, before the pixels of a small picture."""
    text = chunk(b"zTXt", b"key\0\0" + zlib.compress(bytes(16_000_000), 9))
    picture = png(8, 8, bytes(8 * 9))
    return picture[:33] + num_texts * text + picture[33:]


def png_of_empty_chunks() -> bytes:
    """2.6 million chunks without content before the pixels."""
    picture = png(8, 8, bytes(8 * 9))
    return picture[:33] + chunk(b"teSt", b"") * (BODY_BYTES // 12) + picture[33:]


def progressive_jpeg(num_scans: int) -> bytes:
    """49 million pixels in `num_scans` scans of a few bytes each."""
    file = encode(np.full((SIDE, SIDE), 128, np.uint8), "JPEG", progressive=True)
    last_scan = file[file.rindex(b"\xff\xda") : -2]
    return file[:-2] + last_scan * (num_scans - file.count(b"\xff\xda")) + b"\xff\xd9"


def jpeg_of_stuffed_bytes() -> bytes:
    """A scan of 49 million pixels with 30 MB of the bytes that are slowest to search for markers."""
    file = encode(np.full((SIDE, SIDE), 128, np.uint8), "JPEG", progressive=True)
    at = file.rindex(b"\xff\xda") + 10
    return file[:at] + b"\xff\0" * (BODY_BYTES // 2) + file[at:]


def turned_jpeg() -> bytes:
    """49 million pixels that are to be turned by a quarter."""
    tags = Image.Exif()
    tags[0x0112] = 6
    return encode(np.full((SIDE, SIDE, 3), 128, np.uint8), "JPEG", exif=tags.tobytes())


def cmyk_jpeg() -> bytes:
    """49 million pixels of four inks."""
    file = io.BytesIO()
    Image.new("CMYK", (SIDE, SIDE)).save(file, "JPEG")
    return file.getvalue()


def jpeg_of_fill_bytes() -> bytes:
    """30 MB of fill bytes before the first segment."""
    file = photograph(0)
    return file[:2] + b"\xff" * BODY_BYTES + file[2:]


def jpeg_of_segments(segment: bytes) -> bytes:
    """30 MB of one segment before the first other one."""
    file = photograph(0)
    return file[:2] + segment * (BODY_BYTES // len(segment)) + file[2:]


def jpeg_of_comments() -> bytes:
    """Millions of empty comments."""
    return jpeg_of_segments(b"\xff\xfe\0\2")


def jpeg_of_exif() -> bytes:
    """Hundreds of EXIF segments, each with thousands of entries and no orientation."""
    entries = 5_400
    tiff = b"II*\0\x08\0\0\0" + struct.pack("<H", entries) + struct.pack("<HHII", 1, 3, 1, 1) * entries
    data = b"Exif\0\0" + tiff
    return jpeg_of_segments(b"\xff\xe1" + struct.pack(">H", len(data) + 2) + data)


def jpeg_without_pixels() -> bytes:
    """A baseline JPEG of 49 million pixels that ends after its headers."""
    file = encode(np.full((SIDE, SIDE), 128, np.uint8), "JPEG")
    at = file.rindex(b"\xff\xda")
    return file[: at + 20]


def webp() -> bytes:
    """49 million pixels, lossless."""
    return encode(np.full((SIDE, SIDE, 3), 128, np.uint8), "WEBP", lossless=True, quality=0, method=0)


def webp_of_empty_chunks() -> bytes:
    """Millions of chunks before the EXIF data that the header promises."""
    form = b"VP8X" + struct.pack("<I", 10) + b"\x08\0\0\0" + b"\x07\0\0" * 2
    body = b"WEBP" + form + b"TEST\0\0\0\0" * (BODY_BYTES // 8)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif() -> bytes:
    """49 million pixels."""
    return encode(np.zeros((SIDE, SIDE), np.uint8), "GIF")


def bmp_of_runs() -> bytes:
    """49 million pixels in the run-length encoding of BMP."""
    row = bytes([250, 7]) * (SIDE // 250) + b"\0\0"
    data = row * SIDE + b"\0\1"
    palette = bytes(4 * 256)
    start = 14 + 40 + len(palette)
    info = struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, 8, 1, len(data), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + palette + data


def large_jpegs(num: int) -> Sequence[bytes]:
    """JPEG files of 12 million pixels."""
    return [encode(np.full((3000, 4000, 3), 128, np.uint8), "JPEG")] * num
