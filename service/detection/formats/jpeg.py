"""JPEG (ITU T.81, JFIF) by libjpeg-turbo."""

import re
import struct
from collections.abc import Iterator

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.fit import content_size, reduction
from service.detection.formats.exif import orientation_of
from service.detection.formats.header import ImageHeader
from service.errors import ImageError

MAX_SCANS = 200  # a progressive file has about ten; each has a fixed cost, even in an image of one pixel
MAX_SEGMENTS = 10_000  # a photograph has about twenty, and hundreds if it carries another file in its metadata
MAX_REDUCTION = 8  # libjpeg's inverse DCT scales by 1/2, 1/4 and 1/8 at full speed

# ITU T.81, table B.1
SOF0, SOF1, SOF2, SOF9, SOF10 = 0xC0, 0xC1, 0xC2, 0xC9, 0xCA
PROGRESSIVE_FRAMES = frozenset([SOF2, SOF10])
ARITHMETIC_FRAMES = frozenset([SOF9, SOF10])
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0…SOF15
EOI, SOS, APP0, APP1, APP14, APP15, COM = 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
YCBCR, YCCK = 1, 2  # in the segment APP14 of Adobe
MARKER = re.compile(rb"\xff[\x02-\xcf\xd9-\xfe]")  # neither a stuffed byte nor a marker without a length, except EOI

# see ImageHeader.weight
SEVERAL_SCANS = 1.5  # once: the coefficients are kept in memory
SCAN = 0.3
ARITHMETIC = 3.0
CMYK = 3.0

CUT_SHORT = re.compile("premature end", re.IGNORECASE)
HARMLESS = re.compile(  # libjpeg's warnings; viewers show the image
    r"corrupt JPEG data|unknown JFIF revision|unknown Adobe color|invalid SOS|inconsistent progression", re.IGNORECASE
)


def read_header(body: bytes) -> ImageHeader:
    """The header of a JPEG file; raises ImageError 422, and struct.error if it is cut short."""
    orientation, marker_of_frame, frame, scans = None, 0, 0, 0
    for marker, at, end in _segments(body):
        if marker == APP1 and orientation is None and body[at + 2 : at + 8] == b"Exif\0\0":
            orientation = orientation_of(body[at + 8 : end])
        elif marker in FRAMES and not frame:
            marker_of_frame, frame = marker, at
        elif marker == SOS:
            scans += 1
            is_only_scan = marker_of_frame not in PROGRESSIVE_FRAMES and frame and body[at + 2] == body[frame + 7]
            if not frame or is_only_scan:  # the bytes of an only scan need not be searched
                break
            if scans > MAX_SCANS:
                raise ImageError(422, f"the JPEG file has more than {MAX_SCANS} scans; save it as a baseline JPEG")
    if not frame:
        raise ImageError(422, "the JPEG file has no frame header before its data")
    precision, height, width, components = struct.unpack_from(">BHHB", body, frame + 2)
    if precision != 8:
        raise ImageError(422, f"the JPEG file has {precision} bits a component; save it with 8")
    if marker_of_frame not in (SOF0, SOF1, *PROGRESSIVE_FRAMES, *ARITHMETIC_FRAMES):
        raise ImageError(422, "the JPEG file is lossless or hierarchical; save it as a baseline JPEG")
    weight = CMYK if components == 4 else max(1.0, _samples_per_pixel(body, frame + 8, components) / 1.5)
    if marker_of_frame in ARITHMETIC_FRAMES:
        weight *= ARITHMETIC
    if scans > 1 or marker_of_frame in PROGRESSIVE_FRAMES:
        weight += SEVERAL_SCANS + SCAN * scans
    return ImageHeader("jpeg", height, width, orientation or 1, components, weight)


def decode(body: bytes, header: ImageHeader, target: InputSpec | None) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of a JPEG, perhaps at 1/2, 1/4 or 1/8 of their size if there is a `target`.

    Raises ImageError 422 if the file is broken or cut short, and ValueError with libjpeg's error.
    """
    min_height = min_width = 0
    if target is not None:
        height, width = content_size(target, *header.upright_size)
        if header.is_turned:
            height, width = width, height
        factor = min(MAX_REDUCTION, reduction(header.height, header.width, height, width))
        min_height, min_width = -(-header.height // factor), -(-header.width // factor)

    def decoded(file: bytes, *, strict: bool) -> NDArray[np.uint8]:
        colours = "CMYK" if header.components == 4 else "RGB"
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            file, colours, min_height=min_height, min_width=min_width, strict=strict
        )
        return _cmyk_to_rgb(pixels) if header.components == 4 else pixels

    try:
        return decoded(body, strict=True)
    except ValueError as error:
        if CUT_SHORT.search(str(error)):
            raise ImageError(422, f"the JPEG image is broken or cut short: {error}") from error
        if not HARMLESS.search(str(error)):
            raise
    return decoded(_without_oddities(body, header), strict=False)


def _segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, the position behind it, the segment's end) of each segment, up to EOI or the end of the file.

    Bytes between segments are skipped, as libjpeg does: a scan's coded data, restart markers, and stray bytes.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = MARKER.search(body, at)
        if found is None:
            return
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
        at += length
    raise ImageError(422, f"the JPEG file has more than {MAX_SEGMENTS} segments; save it again without metadata")


def _samples_per_pixel(body: bytes, at: int, components: int) -> float:
    """Samples of all components for each pixel: 1.5 with 4:2:0 subsampling, 3 without."""
    areas = [(body[at + 3 * i + 1] >> 4) * (body[at + 3 * i + 1] & 15) for i in range(components)]
    return sum(areas) / max(1, *areas, 1)


def _without_oddities(body: bytes, header: ImageHeader) -> bytes:
    """The file without metadata and stray bytes, and with those values about which libjpeg warns in vain as they should
    be.

    Raises ImageError if the file has no EOI, as a file that is cut short.
    """
    pieces = [body[:2]]
    frame_marker = 0
    scan_start = 0  # of the coded data, within a scan
    for marker, at, end in _segments(body):
        if scan_start:
            pieces.append(body[scan_start : at - 2])
            scan_start = 0
        segment = bytearray(body[at - 2 : end])
        if marker == EOI:
            return b"".join([*pieces, segment])
        if marker in FRAMES:
            frame_marker = marker
        elif marker == APP0 and segment[4:9] == b"JFIF\0" and len(segment) > 10:
            segment[9:11] = b"\1\1"
        elif marker == APP14 and segment[4:9] == b"Adobe" and len(segment) > 15:
            if segment[15]:  # 0 is RGB or CMYK
                segment[15] = YCCK if header.components == 4 else YCBCR
        elif APP0 <= marker <= APP15 or marker == COM:
            continue
        elif marker == SOS:
            scan_start = end
            if frame_marker not in PROGRESSIVE_FRAMES:
                segment[-3:] = b"\0\x3f\0"  # all coefficients, in full
        pieces.append(bytes(segment))
    raise ImageError(422, "the JPEG file is cut short: it has no end marker")


def _cmyk_to_rgb(cmyk: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """cmyk uint8 [H, W, 4] -> uint8 [H, W, 3]; the inks are inverted in JPEG files, as Adobe writes them."""
    rgb: NDArray[np.uint8] = cv2.multiply(cmyk[..., :3], np.repeat(cmyk[..., 3:], 3, axis=2), scale=1 / 255)
    return rgb
