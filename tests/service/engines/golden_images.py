"""The packaged bundle, and images for its engines."""

import numpy as np
from numpy.typing import NDArray

from service.detection.decode import decode_image
from service.settings import DEFAULT_BUNDLES

DEFAULT = DEFAULT_BUNDLES / "bccd-passd-320"


def golden_images(count: int) -> NDArray[np.uint8]:
    """The golden image of the bundle DEFAULT, and the same mirrored, turned, darker and shifted: (count, H, W, 3)."""
    golden = decode_image((DEFAULT / "golden.png").read_bytes(), max_pixels=10**6).pixels
    made = [golden, golden[:, ::-1], golden[::-1], golden // 2, np.roll(golden, 37, axis=1)]
    return np.stack(made[:count])
