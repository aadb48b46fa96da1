"""JPEG (ITU T.81, JFIF) by libjpeg-turbo."""

import io
import re

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from service.bundle import InputSpec
from service.detection.fit import content_size, reduction
from service.detection.formats.exif import orientation_of
from service.detection.formats.header import ImageHeader
from service.detection.formats.jpeg_segments import (
    APP1,
    FRAMES,
    MAX_STRAY_BYTES,
    SOF0,
    SOF1,
    SOS,
    Frame,
    read_frame,
    scan_end,
    segments,
    without_oddities,
)
from service.detection.formats.transparency import times_fourth
from service.errors import ImageError

MAX_SCANS = 200  # a progressive file has about ten; each has a fixed cost, even in an image of one pixel
MAX_WORK_TWICE = 200_000_000  # an image of more work is not decoded again because of damage
MAX_REDUCTION = 8  # libjpeg's inverse DCT scales by 1/2, 1/4 and 1/8 at full speed

# see ImageHeader.weight
SEVERAL_SCANS = 0.5  # once: the coefficients are kept in memory
SCAN = 0.4  # between one without data, 0.36, and a full refinement of the luma, 0.76
ARITHMETIC = 3.3  # a factor
CMYK = 4.0

# what libjpeg-turbo says of a file that viewers show
CUT_SHORT = re.compile("premature end", re.IGNORECASE)
ODD = re.compile(
    "extraneous bytes|unknown JFIF revision|unknown Adobe|bad ICC|invalid SOS|subsampling level", re.IGNORECASE
)
DAMAGED = re.compile("corrupt JPEG data|inconsistent progression", re.IGNORECASE)


def read_header(body: bytes) -> ImageHeader:
    """The header of a JPEG file; raises ImageError 422, and struct.error or IndexError if it is cut short."""
    orientation: int | None = None
    frame: Frame | None = None
    scans = 0
    for marker, at, end in segments(body):
        if marker == APP1 and orientation is None and body[at + 2 : at + 8] == b"Exif\0\0":
            orientation = orientation_of(body[at + 8 : end])
        elif marker in FRAMES and frame is None:
            frame = read_frame(body, at)
        elif marker == SOS:
            scans += 1
            if frame is None or _is_only_scan(body, at, end, frame):
                break
            if scans > MAX_SCANS:
                raise ImageError(422, f"the JPEG file has more than {MAX_SCANS} scans; save it as a baseline JPEG")
    if frame is None:
        raise ImageError(422, "the JPEG file has no frame header before its data")
    if frame.precision != 8:
        raise ImageError(422, f"the JPEG file has {frame.precision} bits a component; save it with 8")
    if not (frame.marker in (SOF0, SOF1) or frame.is_progressive or frame.is_arithmetic):
        raise ImageError(422, "the JPEG file is lossless or hierarchical; save it as a baseline JPEG")
    weight = CMYK if frame.components == 4 else max(1.0, frame.samples_per_pixel / 1.5)
    if frame.is_arithmetic:
        weight *= ARITHMETIC
    if scans > 1 or frame.is_progressive:
        weight += SEVERAL_SCANS + SCAN * scans
    return ImageHeader("jpeg", frame.height, frame.width, orientation or 1, frame.components, weight)


def decode(body: bytes, header: ImageHeader, target: InputSpec | None) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of a JPEG, perhaps at 1/2, 1/4 or 1/8 of their size if there is a `target`.

    Raises ImageError 422 if the file is cut short, and the errors of libjpeg-turbo and Pillow.
    """
    factor = 1
    if target is not None:
        height, width = content_size(target, *header.upright_size)
        if header.is_turned:
            height, width = width, height
        factor = min(MAX_REDUCTION, reduction(header.height, header.width, height, width))
    try:
        return _decode_strictly(body, header, factor)
    except ValueError as error:
        is_odd = bool(ODD.search(str(error)))
        if not is_odd and (not DAMAGED.search(str(error)) or header.work > MAX_WORK_TWICE):
            raise
    plain = without_oddities(body, header.components)
    if is_odd:
        try:
            return _decode_strictly(plain, header, factor)
        except ValueError:  # there is more than oddities
            if header.work > MAX_WORK_TWICE:
                raise
    with Image.open(io.BytesIO(plain), formats=["jpeg"]) as image:  # Pillow knows each subsampling, and shows damage
        image.draft(None, (max(1, header.width // factor), max(1, header.height // factor)))
        return times_fourth(255 - np.asarray(image)) if image.mode == "CMYK" else np.asarray(image.convert("RGB"))


def _decode_strictly(file: bytes, header: ImageHeader, factor: int) -> NDArray[np.uint8]:
    """The pixels of a file without a flaw; raises ImageError if it is cut short, and ValueError if libjpeg warns."""
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
            file,
            "CMYK" if header.components == 4 else "RGB",
            min_height=-(-header.height // factor),
            min_width=-(-header.width // factor),
        )
    except ValueError as error:
        if CUT_SHORT.search(str(error)):
            raise ImageError(422, f"the JPEG image is broken or cut short: {error}") from error
        raise
    return times_fourth(pixels) if header.components == 4 else pixels  # Adobe's inks are inverted: 0 is full


def _is_only_scan(body: bytes, at: int, end: int, frame: Frame) -> bool:
    """Whether the segment SOS at `at` starts the only scan, whose bytes need not be searched for others."""
    if frame.is_progressive or body[at + 2] != frame.components:
        return False
    if 2 * (len(body) - end) > frame.num_pixels + MAX_STRAY_BYTES:  # unusually many bytes
        scan_end(body, end, frame)
    return True
