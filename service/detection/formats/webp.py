"""WebP by OpenCV."""

import struct

import cv2
import numpy as np
from numpy.typing import NDArray

from service.detection.formats.exif import orientation_of
from service.detection.formats.header import ImageHeader
from service.detection.formats.transparency import over_white
from service.errors import ImageError

MAX_CHUNKS = 20_000  # before the EXIF data: one for each frame of an animation
HAS_EXIF = 0x08  # in the flags of VP8X
FIRST_OF_FRAME = 24  # bytes from a chunk ANMF to the first chunk of its frame

# see ImageHeader.weight
LOSSY, LOSSLESS, ALPHA = 3.0, 8.0, 3.0
WEIGHTS = {b"VP8 ": LOSSY, b"VP8L": LOSSLESS, b"ALPH": LOSSY + ALPHA}  # by the first chunk of the pixels

cv2.utils.logging.setLogLevel(0)  # the client gets the error of a broken image; the log does not


def read_header(body: bytes) -> ImageHeader:
    """The header of a WebP file; raises ImageError 422, and struct.error if it is cut short."""
    form = body[12:16]
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 26)
        return ImageHeader("webp", height & 0x3FFF, width & 0x3FFF, weight=LOSSY)
    if form == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 21)
        return ImageHeader("webp", (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1, weight=LOSSLESS)
    if form != b"VP8X":
        raise ImageError(422, "the WebP file does not begin with a chunk VP8, VP8L or VP8X")
    width = int.from_bytes(body[24:27], "little") + 1
    height = (struct.unpack_from("<I", body, 26)[0] >> 8) + 1
    orientation, weight, at = 1, 0.0, 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(body) or (weight and not body[20] & HAS_EXIF):
            break
        name, length = struct.unpack_from("<4sI", body, at)
        form = body[at + FIRST_OF_FRAME : at + FIRST_OF_FRAME + 4] if name == b"ANMF" else name
        weight = weight or WEIGHTS.get(form, 0.0)
        if name == b"EXIF":
            orientation = orientation_of(body[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
            break
        at += 8 + length + length % 2
    else:
        raise ImageError(422, f"the WebP file has more than {MAX_CHUNKS} chunks; save it again without metadata")
    return ImageHeader("webp", height, width, orientation, weight=weight or LOSSLESS)


def decode(body: bytes) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of a WebP's first frame; raises ImageError 422 and cv2.error."""
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageError(422, "the WebP image is broken or cut short")
    if pixels.shape[2] == 4:
        return over_white(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA))
    rgb: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return rgb
