"""Pictures with their detections drawn on them, as JPEG files."""

import sys
from pathlib import PurePosixPath

from service.bundle import Manifest
from service.detect.detector import Found
from service.detection.annotate import MAX_SIDE, annotate
from service.detection.decode import decode_image
from service.detection.image_views import Image
from service.errors import ImageError

JPEG_SUFFIXES = frozenset([".jpg", ".jpeg"])


def draw(image: Image, found: Found, manifest: Manifest) -> bytes:
    """The picture at its full size as a JPEG file; raises ImageError if a JPEG cannot hold it."""
    if max(found.height, found.width) > MAX_SIDE:
        raise ImageError(
            422, f"no JPEG can show its {found.width}×{found.height} pixels; the most is {MAX_SIDE} a side"
        )
    if isinstance(image, bytes):
        # it was decoded before, within the limits
        image = decode_image(image, max_pixels=sys.maxsize).pixels
    return annotate(image, found.detections, manifest.classes, side=found.view_side)


def drawing_file(name: str) -> str:
    """The name of a drawn picture: that of the picture, and .jpg behind it if it is no JPEG."""
    return name if PurePosixPath(name).suffix.lower() in JPEG_SUFFIXES else f"{name}.jpg"
