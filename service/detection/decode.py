"""Decoding image files: JPEG, PNG, WebP, BMP and GIF."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.bundle import InputSpec
from service.detection.formats import bmp, gif, jpeg, png, webp
from service.detection.image_header import ImageHeader, read_header
from service.errors import ImageError

IMAGE_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"])
MAX_WORK_PER_PIXEL = 12  # 50 million pixels of an RGB PNG are accepted, or of a progressive JPEG with 26 scans

Image.MAX_IMAGE_PIXELS = (
    None  # `max_pixels` is checked before decoding; Pillow's own limit would refuse images that the setting allows
)
cv2.utils.logging.setLogLevel(0)  # the client gets the error of a broken image; the log does not


@dataclass(frozen=True)
class DecodedImage:
    """pixels uint8 [H, W, 3] RGB, upright, perhaps reduced; height and width of the upright image at full size."""

    pixels: NDArray[np.uint8]
    height: int
    width: int


def decode_image(
    body: bytes, *, header: ImageHeader | None = None, target: InputSpec | None = None, max_pixels: int
) -> DecodedImage:
    """Decode the first image of a JPEG, PNG, WebP, BMP or GIF file as upright 8-bit RGB.

    `header` is the file's, if the caller has read it. With a `target`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
    size, but not below the size that `fit` needs. Transparent pixels are blended with white. Raises ImageError: 415
    unknown format, 413 too large or too much work, 422 broken or cut short, 503 if there is not enough memory.
    """
    header = header or read_header(body)
    check_limits(header, max_pixels)
    height, width = header.upright_size
    kind = header.kind.upper()
    try:
        pixels = _upright(_decode(body, header, target), header.orientation)
    except ImageError:
        raise
    except Exception as error:  # decoders raise errors of any type on invalid bytes
        if _is_out_of_memory(error):
            raise ImageError(503, f"there is not enough memory to decode the {kind} image now; try again") from error
        raise ImageError(422, f"the {kind} image is broken or cut short") from error  # its message is for programmers
    return DecodedImage(pixels, height, width)


def check_limits(header: ImageHeader, max_pixels: int) -> None:
    """Raise ImageError 413 if the image has more than `max_pixels` pixels, or takes out of all proportion to decode."""
    if header.height * header.width > max_pixels:
        raise ImageError(
            413,
            f"the image has {header.width}×{header.height} pixels; this server takes at most {max_pixels} pixels",
        )
    limit = MAX_WORK_PER_PIXEL * max_pixels
    if header.work > limit:
        raise ImageError(
            413,
            f"the {header.kind.upper()} image takes as long to decode as {header.work} pixels of a baseline JPEG; "
            f"this server takes at most {limit}: send it smaller, or as a baseline JPEG",
        )


def _decode(body: bytes, header: ImageHeader, target: InputSpec | None) -> NDArray[np.uint8]:
    """The pixels uint8 [H, W, 3] RGB as they are stored, perhaps reduced."""
    match header.kind:
        case "jpeg":
            pixels = jpeg.decode(body, header, target)
        case "png":
            pixels = png.decode(body)
        case "webp":
            pixels = webp.decode(body)
        case "bmp":
            pixels = bmp.decode(body)
        case "gif":
            pixels = gif.decode(body)
    factors = (1, 2, 4, 8) if header.kind == "jpeg" else (1,)
    if pixels.shape[:2] not in [(-(-header.height // factor), -(-header.width // factor)) for factor in factors]:
        raise ImageError(
            422,
            f"the {header.kind.upper()} file has {pixels.shape[1]}×{pixels.shape[0]} pixels, "
            f"but {header.width}×{header.height} in its header",
        )
    return pixels


def _is_out_of_memory(error: Exception) -> bool:
    """MemoryError of Python and Pillow, and the messages of libjpeg and OpenCV."""
    return isinstance(error, MemoryError) or "insufficient memory" in str(error).lower()


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (EXIF 2.32, 4.6.4 A): 3 half a turn, 6 and 8 quarter turns, 2, 4, 5 and 7 mirrored."""
    if orientation in (2, 4, 5, 7):
        image = image[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)  # quarter turns counter-clockwise
    return np.ascontiguousarray(np.rot90(image, turns) if turns else image)
