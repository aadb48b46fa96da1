"""WebP by OpenCV, which is handed the first frame alone."""

import struct
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from service.detection.formats.exif import orientation_of
from service.detection.formats.header import ImageHeader
from service.detection.formats.transparency import over_white
from service.errors import ImageError

MAX_CHUNKS = 5000  # before the EXIF data: one for each frame of an animation
IS_ANIMATION, HAS_EXIF, HAS_ALPHA = 0x02, 0x08, 0x10  # flags of the chunk VP8X
PIXELS = (b"ALPH", b"VP8 ", b"VP8L", b"ANMF")
FIRST_OF_FRAME = 24  # bytes from a chunk ANMF to the first chunk of its frame

# see ImageHeader.weight
LOSSY, LOSSLESS, ALPHA = 4.0, 7.0, 3.5
WEIGHTS = {b"VP8 ": LOSSY, b"VP8L": LOSSLESS, b"ALPH": LOSSY + ALPHA}  # by the first chunk of the pixels


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
    orientation, weight = 1, 0.0
    for name, at, end in _chunks(body):
        form = body[at + FIRST_OF_FRAME : at + FIRST_OF_FRAME + 4] if name == b"ANMF" else name
        weight = weight or WEIGHTS.get(form, 0.0)
        if name == b"EXIF":
            orientation = orientation_of(body[at + 8 : end].removeprefix(b"Exif\0\0"))
        if name == b"EXIF" or (weight and not body[20] & HAS_EXIF):
            break
    return ImageHeader("webp", height, width, orientation, weight=weight or LOSSLESS)


def decode(body: bytes) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB of a WebP's first frame; raises ImageError 422 and cv2.error."""
    pieces = []
    for name, at, end in _chunks(body):
        if name == b"VP8X":
            flags = bytes([body[at + 8] & (HAS_ALPHA | IS_ANIMATION)])
            pieces.append(body[at : at + 8] + flags + body[at + 9 : end])
        elif name in (b"ANIM", *PIXELS):
            pieces.append(body[at : end + (end - at) % 2])
        if name in PIXELS and name != b"ALPH":
            break
    file = b"RIFF" + struct.pack("<I", 4 + sum(map(len, pieces))) + b"".join([b"WEBP", *pieces])
    pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageError(422, "the WebP image is broken or cut short")
    if pixels.shape[2] == 4:
        return over_white(cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGBA))
    rgb: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return rgb


def _chunks(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start, end) of each chunk; the last one may be cut short."""
    at = 12
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(body):
            return
        name, length = struct.unpack_from("<4sI", body, at)
        yield name, at, at + 8 + length
        at += 8 + length + length % 2
    raise ImageError(422, f"the WebP file has more than {MAX_CHUNKS} chunks; save it again without metadata")
