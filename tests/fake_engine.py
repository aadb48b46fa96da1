"""What tests build their own engines on."""

import numpy as np
from numpy.typing import NDArray

from service.engines.protocol import Candidates


class FakeEngine:
    """An engine on the CPU in fp32 that takes one call at a time, and finds in each image one box of score 0."""

    name = "fake"
    device = "cpu"
    precision = "fp32"
    num_streams = 1
    num_threads = 1
    batch_sizes: tuple[int, ...] | None = None
    late_sizes: tuple[int, ...] = ()

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        size = len(images)
        return Candidates(
            np.zeros((size, 1, 4), np.float32), np.zeros((size, 1), np.float32), np.zeros((size, 1), np.int32)
        )

    def prepare(self, size: int) -> None:
        pass

    def close(self) -> None:
        pass
