"""Decoding image files: JPEG, PNG, WebP, BMP and GIF."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from service.bundle import InputSpec
from service.detection.fit import content_size, reduction
from service.detection.image_header import ImageHeader, read_header
from service.errors import ImageError

IMAGE_SUFFIXES = frozenset([".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"])
MAX_WORK_PER_PIXEL = (
    15  # 50 million pixels of a PNG are accepted, and so is a progressive JPEG of that size with 40 scans
)
MAX_JPEG_REDUCTION = 8  # libjpeg's inverse DCT scales by 1/2, 1/4 and 1/8 at full speed

Image.MAX_IMAGE_PIXELS = (
    None  # `max_pixels` is checked before decoding; Pillow's own limit would refuse images that the setting allows
)
cv2.utils.logging.setLogLevel(0)  # the client gets the error of a broken WebP; the log does not


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
    unknown format, 413 too large, 422 broken or cut short.
    """
    header = header or read_header(body)
    check_limits(header, max_pixels)
    height, width = header.upright_size
    try:
        if header.kind == "jpeg" and header.components != 4:
            pixels = _decode_jpeg(body, header, target)
        elif header.kind in ("webp", "bmp"):
            pixels = _decode_opencv(body)
        else:
            pixels = _decode_pillow(body, header, max_pixels)
    except ImageError:
        raise
    except Exception as error:  # decoders raise errors of any type on invalid bytes, and each means a broken image
        raise ImageError(422, f"the {header.kind.upper()} image is broken: {error}") from error
    return DecodedImage(np.ascontiguousarray(_upright(pixels, header.orientation)), height, width)


def check_limits(header: ImageHeader, max_pixels: int) -> None:
    """Raise ImageError 413 if the image has more than `max_pixels` pixels, or takes out of all proportion to decode."""
    _check_size(header.height, header.width, max_pixels)
    limit = MAX_WORK_PER_PIXEL * max_pixels
    if header.work > limit:
        raise ImageError(
            413,
            f"the {header.kind.upper()} image takes as long to decode as {header.work} pixels of a baseline JPEG; "
            f"this server takes at most {limit}: send it smaller, or as a baseline JPEG",
        )


def _check_size(height: int, width: int, max_pixels: int) -> None:
    if height * width > max_pixels:
        raise ImageError(413, f"the image has {width}×{height} pixels; this server takes at most {max_pixels} pixels")


def _decode_jpeg(body: bytes, header: ImageHeader, target: InputSpec | None) -> NDArray[np.uint8]:
    min_height = min_width = 0
    if target is not None:
        height, width = content_size(target, *header.upright_size)
        if header.is_turned:
            height, width = width, height
        factor = min(MAX_JPEG_REDUCTION, reduction(header.height, header.width, height, width))
        min_height, min_width = -(-header.height // factor), -(-header.width // factor)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(body, "RGB", min_height=min_height, min_width=min_width)
    except ValueError as error:
        if "extraneous bytes" not in str(error):
            raise ImageError(422, f"the JPEG image is broken or cut short: {error}") from error
        # some cameras write extra bytes between segments, which harm no pixel; Pillow accepts those, but no truncation
        return _decode_pillow(body, header, header.height * header.width)
    return pixels


def _decode_opencv(body: bytes) -> NDArray[np.uint8]:
    pixels = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageError(422, "the image is broken or cut short")
    if pixels.ndim == 2:
        return _repeated(pixels)
    if pixels.shape[2] == 4:
        return _over_white(pixels[..., [2, 1, 0, 3]])
    rgb: NDArray[np.uint8] = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return rgb


def _decode_pillow(body: bytes, header: ImageHeader, max_pixels: int) -> NDArray[np.uint8]:
    """For CMYK JPEG, GIF and PNG. PNG too, because the libpng in OpenCV writes errors to stderr at any log level."""
    with Image.open(io.BytesIO(body), formats=[header.kind]) as image:
        _check_size(image.height, image.width, max_pixels)  # a GIF's frame may be larger than its screen
        if image.mode.startswith("I"):
            wide = np.asarray(image)
            return _repeated((np.clip(wide, 0, 65535) >> 8).astype(np.uint8))
        if image.has_transparency_data:
            return _over_white(np.asarray(image.convert("RGBA")))
        return np.asarray(image.convert("RGB"))


def _repeated(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """grey uint8 [H, W] -> uint8 [H, W, 3]."""
    return np.repeat(grey[..., None], 3, axis=2)


def _over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """rgba uint8 [H, W, 4] -> uint8 [H, W, 3], transparent pixels blended with white, as on a web page."""
    alpha = rgba[..., 3:]
    if alpha.min() == 255:
        return rgba[..., :3]
    blended = rgba[..., :3].astype(np.uint16) * alpha + (255 - alpha.astype(np.uint16)) * 255
    return ((blended + 127) // 255).astype(np.uint8)


def _upright(image: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (EXIF 2.32, 4.6.4 A): 3 half a turn, 6 and 8 quarter turns, 2, 4, 5 and 7 mirrored."""
    if orientation in (2, 4, 5, 7):
        image = image[:, ::-1]
    turns = {3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}.get(orientation, 0)  # quarter turns counter-clockwise
    return np.rot90(image, turns) if turns else image
