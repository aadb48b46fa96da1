"""BMP of Windows and OS/2 in all versions of its header; OpenCV decodes the run lengths, and nothing else.

Pillow lacks several layouts and decodes run lengths in Python; OpenCV takes unused bits for alpha.
"""

import struct
from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from service.detection.formats.header import ImageHeader
from service.detection.formats.transparency import grey_to_rgb, over_white
from service.errors import ImageError

FILE_HEADER = 14
CORE, INFO, WINDOWS_V3_ALPHA = 12, 40, 56  # bytes of the header, by which its version is told
OS2_V2_SHORTEST, OS2_V2 = 16, 64
WINDOWS_V4_V5 = (108, 124)
RGB, RLE8, RLE4, BITFIELDS, ALPHA_BITFIELDS = 0, 1, 2, 3, 6
OS2_HUFFMAN, OS2_RLE24 = 3, 4
BITS = {
    RGB: (1, 2, 4, 8, 16, 24, 32),
    RLE8: (8,),
    RLE4: (4,),
    BITFIELDS: (16, 32),
    ALPHA_BITFIELDS: (16, 32),
}
RGB555 = (0x7C00, 0x03E0, 0x001F, 0)
RGB888 = (0xFF0000, 0x00FF00, 0x0000FF, 0)
COPIED, MASKED, BLENDED, RUNS = 1.0, 2.5, 5.0, 3.0  # see ImageHeader.weight


@dataclass(frozen=True)
class Layout:
    """How the pixels are stored. masks: red, green, blue, alpha within a pixel of 16 or 32 bits."""

    width: int
    height: int
    is_top_down: bool
    bits: int
    compression: int
    masks: tuple[int, int, int, int]
    palette: NDArray[np.uint8]  # [2**bits, 3] RGB
    start: int  # of the pixels in the file

    @property
    def row_bytes(self) -> int:
        """Bytes of a row: a multiple of 4."""
        return (self.width * self.bits + 31) // 32 * 4


def read_header(body: bytes) -> ImageHeader:
    """The header of a BMP file; raises ImageError 422, and struct.error if it is cut short."""
    layout = _read_layout(body)
    if layout.compression in (RLE8, RLE4):
        weight = RUNS
    elif layout.bits in (16, 32):
        weight = BLENDED if layout.masks[3] else MASKED
    else:
        weight = COPIED
    return ImageHeader("bmp", layout.height, layout.width, weight=weight)


def decode(body: bytes) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of a BMP. Raises ImageError 422, and struct.error if its header is cut short."""
    layout = _read_layout(body)
    if layout.compression in (RLE8, RLE4):
        return _decode_runs(body, layout)
    size = layout.row_bytes * layout.height
    if len(body) < layout.start + size:
        raise ImageError(
            422, f"the BMP image is cut short: its pixels have {max(0, len(body) - layout.start)} of {size} bytes"
        )
    rows = np.frombuffer(body, np.uint8, size, layout.start).reshape(layout.height, layout.row_bytes)
    if not layout.is_top_down:
        rows = rows[::-1]
    if layout.bits <= 8:
        return cast(NDArray[np.uint8], cv2.LUT(grey_to_rgb(_indices(rows, layout)), layout.palette[None]))
    if layout.bits == 24:  # cv2 crashes if it has no memory to copy an array that is not contiguous
        bgr = np.ascontiguousarray(rows[:, : 3 * layout.width]).reshape(layout.height, layout.width, 3)
        return cast(NDArray[np.uint8], cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    pixels = np.ascontiguousarray(rows).view("<u2" if layout.bits == 16 else "<u4")[:, : layout.width]
    channels = [_channel(pixels, mask) for mask in layout.masks]
    if channels[3].any():
        return over_white(cv2.merge(channels))
    return cast(NDArray[np.uint8], cv2.merge(channels[:3]))  # many programs leave alpha at 0


def _read_layout(body: bytes) -> Layout:
    (header_size,) = struct.unpack_from("<I", body, FILE_HEADER)
    if header_size == CORE:
        width, height, _, bits = struct.unpack_from("<HHHH", body, FILE_HEADER + 4)
        compression, num_colours = RGB, 0
    elif OS2_V2_SHORTEST <= header_size <= OS2_V2 or header_size in WINDOWS_V4_V5:
        fields = body[FILE_HEADER : FILE_HEADER + min(header_size, INFO)].ljust(INFO, b"\0")
        width, height, _, bits, compression, num_colours = struct.unpack_from("<iiHHI12xI", fields, 4)
    else:
        raise ImageError(422, f"the BMP file has a header of {header_size} bytes, which no version has")
    if compression not in BITS or (header_size == OS2_V2 and compression in (OS2_HUFFMAN, OS2_RLE24)):
        raise ImageError(422, f"the BMP file has the compression {compression}; save it without compression")
    if bits not in BITS[compression]:
        raise ImageError(
            422, f"the BMP file has {bits} bits a pixel, which its compression {compression} does not allow"
        )
    end = FILE_HEADER + header_size
    masks = RGB555 if bits == 16 else RGB888
    if compression in (BITFIELDS, ALPHA_BITFIELDS):
        num_masks = 4 if header_size >= WINDOWS_V3_ALPHA or compression == ALPHA_BITFIELDS else 3
        red, green, blue, *alpha = struct.unpack_from(f"<{num_masks}I", body, FILE_HEADER + INFO)
        masks = (red, green, blue, alpha[0] if alpha else 0)
        end = max(end, FILE_HEADER + INFO + 4 * num_masks)
    (start,) = struct.unpack_from("<I", body, 10)
    palette = np.zeros((256, 3), np.uint8)  # a colour beyond the palette is black
    if bits <= 8:
        entry_bytes = 3 if header_size == CORE else 4
        num_entries = min(num_colours or 2**bits, 2**bits, (start - end if start > end else len(body)) // entry_bytes)
        entries = body[end : end + num_entries * entry_bytes]
        entries = entries[: len(entries) // entry_bytes * entry_bytes]
        palette[: len(entries) // entry_bytes] = np.frombuffer(entries, np.uint8).reshape(-1, entry_bytes)[:, 2::-1]
        end += len(entries)
    return Layout(width, abs(height), height < 0, bits, compression, masks, palette, start if start >= end else end)


def _indices(rows: NDArray[np.uint8], layout: Layout) -> NDArray[np.uint8]:
    """rows uint8 [H, bytes] -> the pixels' indices into the palette, uint8 [H, W]."""
    if layout.bits < 8:
        rows = rows[:, : -(-layout.width * layout.bits // 8)]  # without the padding, which may be most of a row
        shifts = np.arange(8 - layout.bits, -1, -layout.bits, dtype=np.uint8)
        rows = (rows[..., None] >> shifts & np.uint8(2**layout.bits - 1)).reshape(layout.height, -1)
    return np.ascontiguousarray(rows[:, : layout.width])


def _channel(pixels: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """One channel of pixels that are integers, scaled to 0…255."""
    mask &= 2 ** (8 * pixels.itemsize) - 1
    if not mask:
        return np.zeros(pixels.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    shift += max(0, mask.bit_length() - shift - 8)  # of more than 8 bits, the high ones
    largest = mask >> shift
    values = ((pixels & mask) >> shift).astype(np.uint8)
    if largest == 255:
        return values
    table = ((np.arange(256) * 510 + largest) // (2 * largest)).astype(np.uint8)
    return cast(NDArray[np.uint8], cv2.LUT(values, table))


def _decode_runs(body: bytes, layout: Layout) -> NDArray[np.uint8]:
    """An image of run lengths; pixels that the runs leave out have the first colour."""
    num_colours = 2**layout.bits
    palette = np.zeros((num_colours, 4), np.uint8)
    palette[:, :3] = layout.palette[:num_colours, ::-1]
    data = body[layout.start :]
    start = FILE_HEADER + INFO + palette.nbytes
    file = struct.pack("<2sI4xI", b"BM", start + len(data), start)
    file += struct.pack("<IiiHHII16x", INFO, layout.width, layout.height, 1, layout.bits, layout.compression, len(data))
    pixels = cv2.imdecode(np.frombuffer(file + palette.tobytes() + data, np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise ImageError(422, "the BMP image is broken or cut short: its runs do not fill it")
    rgb: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return rgb[::-1] if layout.is_top_down else rgb
