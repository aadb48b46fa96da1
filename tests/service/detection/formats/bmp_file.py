"""BMP files of any version from pixel values."""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tests.service.detection.formats.png_file import packed

CORE, INFO, OS2_V2 = 12, 40, 64


def bmp_file(
    values: NDArray[np.int64],
    bits: int,
    *,
    header: int = INFO,
    palette: NDArray[np.int64] | None = None,
    compression: int = 0,
    masks: Sequence[int] = (),
    is_top_down: bool = False,
    runs: bytes | None = None,
    gap: int = 0,
) -> bytes:
    """values (H, W), of 24 bits (H, W, 3) blue, green, red; palette (N, 3) RGB.

    `runs` replace the rows, and `gap` bytes stand before them.
    """
    height, width = values.shape[:2]
    stored = values if is_top_down else values[::-1]
    data = b"".join(row_bytes(row, bits) for row in stored) if runs is None else runs
    colours = b""
    if palette is not None:
        colours = b"".join(bytes(entry[::-1].tolist()) + (b"" if header == CORE else b"\0") for entry in palette)
    if header == CORE:
        fields = struct.pack("<IHHHH", CORE, width, height, 1, bits)
    else:
        rows = -height if is_top_down else height
        fields = struct.pack("<IiiHHIIiiII", header, width, rows, 1, bits, compression, len(data), 0, 0, 0, 0)
    channels = struct.pack(f"<{len(masks)}I", *masks)
    if header > INFO:
        fields, channels = (fields + channels).ljust(header, b"\0"), b""
    start = 14 + len(fields[:header]) + len(channels) + len(colours) + gap
    return b"".join(
        [
            b"BM",
            struct.pack("<IHHI", start + len(data), 0, 0, start),
            fields[:header],
            channels,
            colours,
            bytes(gap),
            data,
        ]
    )


def row_bytes(row: NDArray[np.int64], bits: int) -> bytes:
    data = packed(row, bits) if bits <= 8 else row.astype({16: "<u2", 24: "u1", 32: "<u4"}[bits]).tobytes()
    return data + bytes(-len(data) % 4)
