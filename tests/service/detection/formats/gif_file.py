"""GIF files from palette indices."""

import struct

import numpy as np
from numpy.typing import NDArray

PALETTE = np.random.default_rng(0).integers(0, 256, (16, 3))
LOCAL_PALETTE = np.random.default_rng(1).integers(0, 256, (16, 3))


def gif_file(
    indices: NDArray[np.int64],
    *,
    screen: tuple[int, int] | None = None,
    offset: tuple[int, int] = (0, 0),
    transparent: int | None = None,
    is_local: bool = False,
    interlace: bool = False,
    extensions: bytes = b"",
    num_rows: int | None = None,
) -> bytes:
    """indices (H, W) below 16; screen (height, width), offset (y, x); only `num_rows` of the rows are stored."""
    height, width = indices.shape
    screen_height, screen_width = screen or (height, width)
    file = b"GIF89a" + struct.pack("<HHBBB", screen_width, screen_height, 0x83, 0, 0) + colours(PALETTE) + extensions
    if transparent is not None:
        file += b"!\xf9\x04" + bytes([1 | 2 << 2, 0, 0, transparent, 0])
    file += struct.pack("<BHHHHB", 0x2C, *offset[::-1], width, height, 0x83 * is_local | 0x40 * interlace)
    file += colours(LOCAL_PALETTE) if is_local else b""
    rows = [y for start, step in ((0, 8), (4, 8), (2, 4), (1, 2)) for y in range(start, height, step)]
    stored = indices[rows] if interlace else indices
    return file + codes(stored[:num_rows].ravel()) + b";"


def colours(palette: NDArray[np.int64]) -> bytes:
    return palette.astype(np.uint8).tobytes()


def codes(indices: NDArray[np.int64]) -> bytes:
    """The LZW codes of 4-bit indices without compression: the table is cleared before the codes grow."""
    clear, end = 16, 17
    numbers = [clear]
    for start in range(0, len(indices), 14):
        numbers += [*indices[start : start + 14].tolist(), clear]
    digits = np.array([*numbers, end])[:, None] >> np.arange(5) & 1
    data = np.packbits(digits.astype(np.uint8), bitorder="little").tobytes()
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\x04" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
