"""A picture in any of Python's usual forms, as the bytes of an image file."""

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeGuard

from singleshot.client.requirement import needing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    Pixels: TypeAlias = Image | NDArray[np.uint8]
    Picture: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | "BinaryFile" | Pixels

MAX_BMP_PIXELS = 10_000_000  # 30 MB; a server takes bodies of 32 MiB unless its settings change that
FORMS = "a path, the bytes of an image file, a file opened with 'rb', a numpy array or an image of Pillow"
ARRAYS = "arrays are uint8 [H, W, 3] RGB or [H, W] grey"


class BinaryFile(Protocol):
    """An open file."""

    def read(self) -> bytes:
        """All bytes from its position on."""
        ...


def file_bytes(picture: "Picture") -> bytes:
    """The image file. A path, bytes and an open file are sent as they are, and the server decodes them.

    An array uint8 [H, W, 3] RGB or [H, W] grey, and an image of Pillow, are encoded without loss: as BMP, which takes a
    tenth of the time of PNG, or as PNG above MAX_BMP_PIXELS. An image of Pillow is turned upright by its EXIF
    orientation, as the server turns files. Raises OSError; TypeError; ValueError for another shape or depth.
    """
    match picture:
        case str() | os.PathLike():
            return Path(picture).read_bytes()
        case bytes():
            return picture
        case bytearray() | memoryview():
            return bytes(picture)
    if is_pixels(picture):
        return _encoded(upright(picture))
    content = picture.read() if hasattr(picture, "read") else None
    if not isinstance(content, bytes):
        kind = "a file that is open as text" if isinstance(content, str) else type(picture).__name__
        raise TypeError(f"the picture is {kind}; give {FORMS}")
    return content


def upright(picture: "Pixels") -> "Image":
    """An array, or an image of Pillow, as an upright image of Pillow in one of the modes L, RGB and RGBA."""
    with needing("pillow", "a numpy array"):
        from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(picture) if isinstance(picture, Image.Image) else _image_of(picture)
    if image.mode[0] in "IF":
        raise ValueError(f"the image has the mode {image.mode} of more than 8 bits; scale its values to 0 to 255 first")
    if image.mode in ("L", "RGB"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _image_of(array: "NDArray[np.uint8]") -> "Image":
    from PIL import Image

    if array.dtype != "uint8":
        raise ValueError(f"the array holds {array.dtype}; {ARRAYS}")
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if (array.ndim != 2 and array.shape[2:] != (3,)) or not array.size:
        raise ValueError(f"the array has the shape {array.shape}; {ARRAYS}")
    return Image.fromarray(array)


def _encoded(image: "Image") -> bytes:
    file = io.BytesIO()
    if image.mode == "RGBA" or image.width * image.height > MAX_BMP_PIXELS:
        image.save(file, "PNG", compress_level=1)
    else:
        image.save(file, "BMP")
    return file.getvalue()


def is_pixels(picture: object) -> "TypeGuard[Pixels]":
    """Whether it is an array or an image of Pillow; an instance of their classes has imported them."""
    kinds = (getattr(sys.modules.get("numpy"), "ndarray", None), getattr(sys.modules.get("PIL.Image"), "Image", None))
    return any(kind is not None and isinstance(picture, kind) for kind in kinds)
