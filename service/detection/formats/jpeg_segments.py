"""The segments of a JPEG file (ITU T.81, annex B), within limits on what a decoder would have to skip."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from service.errors import ImageError

MAX_SEGMENTS = 2000  # a photograph has about twenty, and hundreds if it carries another file in its metadata
MAX_STRAY_BYTES = 2**16  # that belong to no segment; libjpeg skips them slowly
SEARCHED_BYTES = 2**18  # of a scan at once
MAX_STUFFED_SHARE = 1 / 16  # of a scan's bytes that are 0xFF followed by 0; a photograph has one in 256
MAX_SCAN_BYTES_PER_PIXEL = 16  # 63 coefficients of three components, with the longest codes

# ITU T.81, table B.1
SOF0, SOF1, SOF2, SOF9, SOF10 = 0xC0, 0xC1, 0xC2, 0xC9, 0xCA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0…SOF15
EOI, SOS, APP0, APP1, APP14, APP15, COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")  # neither a stuffed byte nor a marker without a length, except EOI
YCBCR, YCCK = 1, 2  # in the segment APP14 of Adobe


@dataclass(frozen=True)
class Frame:
    """The frame header. samples_per_pixel: of all components, 1.5 with 4:2:0 subsampling and 3 without."""

    marker: int
    precision: int
    height: int
    width: int
    components: int
    samples_per_pixel: float

    @property
    def is_progressive(self) -> bool:
        """Whether each scan refines the image."""
        return self.marker in (SOF2, SOF10)

    @property
    def is_arithmetic(self) -> bool:
        """Whether the coefficients are coded arithmetically instead of with Huffman's codes."""
        return self.marker in (SOF9, SOF10)

    @property
    def num_pixels(self) -> int:
        """Pixels of the image."""
        return self.height * self.width


def segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, the position behind it, the segment's end) of each segment, up to EOI or the end of the file.

    Bytes between segments are skipped, as libjpeg does: a scan's coded data, restart markers, and stray bytes. Raises
    ImageError 422 if the segments or the stray bytes are too many.
    """
    at, num_stray = 2, 0
    frame_at: int | None = None
    for _ in range(MAX_SEGMENTS):
        found = MARKER.search(body, at, at + MAX_STRAY_BYTES - num_stray)
        if found is None:
            if at + MAX_STRAY_BYTES - num_stray < len(body):
                raise ImageError(422, f"the JPEG file has more than {MAX_STRAY_BYTES} bytes that belong to no segment")
            return
        num_stray += found.start() - at
        at = found.end()
        marker = body[at - 1]
        if marker == EOI:
            yield marker, at, at
        if marker == EOI or at + 2 > len(body):
            return
        (length,) = struct.unpack_from(">H", body, at)
        if length < 2:
            raise ImageError(422, f"the JPEG file has a segment of length {length} at byte {at - 2}")
        yield marker, at, at + length
        if marker in FRAMES:
            frame_at = at
        at += length
        if marker == SOS and frame_at is not None:
            at = scan_end(body, at, read_frame(body, frame_at))
    raise ImageError(422, f"the JPEG file has more than {MAX_SEGMENTS} segments; save it again without metadata")


def read_frame(body: bytes, at: int) -> Frame:
    """The frame header whose marker ends at `at`; raises struct.error and IndexError if it is cut short."""
    precision, height, width, components = struct.unpack_from(">BHHB", body, at + 2)
    sampling = [body[at + 9 + 3 * component] for component in range(components)]
    areas = [(factors >> 4) * (factors & 15) for factors in sampling]
    return Frame(body[at - 1], precision, height, width, components, sum(areas) / max([1, *areas]))


def scan_end(body: bytes, start: int, frame: Frame) -> int:
    """Where the coded data end that start at `start`.

    Raises ImageError 422 if they have more bytes or restart markers than the pixels can have, or if so many of them are
    0xFF that the search would take long.
    """
    limit = min(len(body), start + MAX_STRAY_BYTES + MAX_SCAN_BYTES_PER_PIXEL * frame.num_pixels)
    num_blocks = MAX_STRAY_BYTES // 64 + int(frame.num_pixels * frame.samples_per_pixel) // 64
    num_restarts = 0
    for at in range(start, limit, SEARCHED_BYTES):
        found = MARKER.search(body, at, min(at + SEARCHED_BYTES, limit) + 1)
        end = found.start() if found else min(at + SEARCHED_BYTES, limit)
        num_stuffed = body.count(b"\xff\0", at, end)
        if num_stuffed > MAX_STUFFED_SHARE * SEARCHED_BYTES:
            raise ImageError(422, "the JPEG file has coded data that are mostly 0xFF; save it again")
        num_restarts += body.count(b"\xff", at, end) - num_stuffed  # and fill bytes, which are as slow
        if num_restarts > num_blocks:
            break
        if found:
            return end
    if num_restarts > num_blocks or limit < len(body):
        raise ImageError(
            422, f"the JPEG file has more data in a scan than {frame.width}×{frame.height} pixels can have"
        )
    return limit


def without_oddities(body: bytes, components: int) -> bytes:
    """The file without metadata and stray bytes, and with the values mended that decoders accept with a warning.

    Raises ImageError 422 if the file has no EOI, as a file that is cut short.
    """
    pieces = [body[:2]]
    is_progressive = False
    scan_start = 0  # of the coded data, within a scan
    for marker, at, end in segments(body):
        if scan_start:
            pieces.append(body[scan_start : at - 2])
            scan_start = 0
        segment = bytearray(body[at - 2 : end])
        if marker == EOI:
            return b"".join([*pieces, segment])
        if marker in FRAMES:
            is_progressive = read_frame(body, at).is_progressive
        elif marker == APP0 and segment[4:9] == b"JFIF\0" and len(segment) > 10:
            segment[9:11] = b"\1\1"  # the version
        elif marker == APP14 and segment[4:9] == b"Adobe" and len(segment) > 15:
            if segment[15]:  # 0 is RGB or CMYK
                segment[15] = YCCK if components == 4 else YCBCR
        elif APP0 <= marker <= APP15 or marker == COM:
            continue
        elif marker == SOS:
            scan_start = end
            if not is_progressive:
                segment[-3:] = b"\0\x3f\0"  # all coefficients, in full
        pieces.append(bytes(segment))
    raise ImageError(422, "the JPEG file is cut short: it has no end marker")
