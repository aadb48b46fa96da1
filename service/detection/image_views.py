"""Images with the views that the model will see of each, before anything is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.detection.decode import check_limits
from service.detection.image_header import ImageHeader, read_header
from service.detection.tiles import Size, Tile, num_views, smallest_tile, tile_size, views_of
from service.errors import ImageError

Image = bytes | NDArray[np.uint8]  # a file, or uint8 [H, W, 3] RGB


@dataclass(frozen=True)
class ImageViews:
    """An image file with its header, or an image uint8 [H, W, 3] without one, and its views (V, 4).

    `size` is the (height, width) of the upright image.
    """

    image: Image
    header: ImageHeader | None
    size: Size
    views: NDArray[np.int64]


def in_views(
    images: Sequence[Image], tile: Tile, spec: InputSpec, *, max_pixels: int, max_views: int
) -> list[ImageViews | ImageError]:
    """Each image with its views in tiles, or its ImageError if it is bad.

    Raises ImageError 422 if the images have more than `max_views` together.
    """
    wholes = [whole_or_error(image, max_pixels) for image in images]
    sizes = [whole.size for whole in wholes if isinstance(whole, ImageViews)]
    tiles = [tile_size(tile, spec, size, max_views) for size in sizes]
    count = sum(map(num_views, sizes, tiles))
    if count > max_views:
        raise ImageError(422, too_many(count, sizes, tile, max_views))
    views = iter(map(views_of, sizes, tiles))
    return [replace(whole, views=next(views)) if isinstance(whole, ImageViews) else whole for whole in wholes]


def count_views(images: Sequence[Image | ImageViews | ImageError]) -> int:
    """How often the engine runs for these images. An image without views is seen once, and a bad one never."""
    counts = [len(image.views) if isinstance(image, ImageViews) else 1 for image in images]
    return sum(count for count, image in zip(counts, images, strict=True) if not isinstance(image, ImageError))


def whole_or_error(image: Image, max_pixels: int) -> ImageViews | ImageError:
    """The image with itself as its only view, or its ImageError."""
    if not isinstance(image, bytes):
        size = image.shape[0], image.shape[1]
        return ImageViews(image, None, size, views_of(size, size))
    try:
        header = read_header(image)
        check_limits(header, max_pixels)
    except ImageError as error:
        return error
    return ImageViews(image, header, header.upright_size, views_of(header.upright_size, header.upright_size))


def too_many(count: int, sizes: Sequence[Size], tile: Tile, max_views: int) -> str:
    """What is wrong with so many views, and what would be right."""
    tiles = "automatic tiles" if tile == "auto" else f"tiles of {tile} pixels"
    if len(sizes) == 1:
        (height, width) = sizes[0]
        images = f"the image of {width}×{height} pixels has {count} views"
        remedy = f"send tile={smallest_tile(sizes, max_views)} or more, or tile=auto"
    else:
        images = f"the {len(sizes)} images have {count} views together"
        smallest = smallest_tile(sizes, max_views)
        remedy = "send fewer images at once" + (f", or tile={smallest} or more" if smallest else "")
    return f"{images} in {tiles}, and this server takes at most {max_views} a request; {remedy}"
