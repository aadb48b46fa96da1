"""Runs a bundle on images without a batcher: the golden check does, and the server prepares images with it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.detection.decode import decode_image
from service.detection.fit import fit
from service.detection.image_header import ImageHeader
from service.detection.postprocess import Detections, Options, default_options, postprocess_batch
from service.engines.protocol import Engine

MAX_PIXELS = 50_000_000


class Pipeline:
    """Runs one bundle on one engine."""

    def __init__(self, bundle: Bundle, engine: Engine, *, max_pixels: int = MAX_PIXELS, max_batch: int = 8) -> None:
        self.bundle = bundle
        self.engine = engine
        self.spec = bundle.manifest.input
        self.options = default_options(bundle.manifest.nms)
        self.max_pixels = max_pixels
        self._max_batch = max_batch

    def prepare(
        self, image: bytes | NDArray[np.uint8], header: ImageHeader | None = None
    ) -> tuple[NDArray[np.uint8], tuple[int, int]]:
        """An image file, or an image uint8 [H, W, 3] RGB -> (input pixels uint8 [h, w, 3], (height, width) of the
        image).

        `header` is the file's, if the caller has read it. Raises ImageError if the file is not an image.
        """
        if not isinstance(image, bytes):
            return fit(image, self.spec), (image.shape[0], image.shape[1])
        decoded = decode_image(image, header=header, target=self.spec, max_pixels=self.max_pixels)
        return fit(decoded.pixels, self.spec), (decoded.height, decoded.width)

    def detect(self, images: Sequence[bytes | NDArray[np.uint8]], options: Options | None = None) -> list[Detections]:
        """The detections of each image, in image pixels, with the bundle's NMS defaults unless `options` are given."""
        found: list[Detections] = []
        for start in range(0, len(images), self._max_batch):
            prepared = [self.prepare(image) for image in images[start : start + self._max_batch]]
            candidates = self.engine(np.stack([pixels for pixels, _ in prepared]))
            found += postprocess_batch(candidates, options or self.options, self.spec, [size for _, size in prepared])
        return found
