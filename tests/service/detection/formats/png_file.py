"""PNG files from samples, by the letter of the specification."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
END = b"\0\0\0\0IEND\xaeB`\x82"


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png_file(
    samples: NDArray[np.int64], depth: int, colour: int, *, interlace: bool = False, extra: Sequence[bytes] = ()
) -> bytes:
    """samples (H, W, channels); `extra` are chunks between IHDR and IDAT."""
    height, width, _ = samples.shape
    rows = b""
    for y, x, dy, dx in ADAM7 if interlace else ((0, 0, 1, 1),):
        image = samples[y::dy, x::dx]
        rows += b"".join(b"\0" + packed(row.ravel(), depth) for row in image if image.size)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return b"".join([SIGNATURE, chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(rows)), END])


def packed(row: NDArray[np.int64], bits: int) -> bytes:
    """Samples of 1 to 16 bits, the first in the highest bits, padded to a byte."""
    digits = row[:, None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(digits.astype(np.uint8)).tobytes()
