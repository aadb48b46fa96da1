"""What decides whether work is taken on: what a batch costs, and how many pixels may be decoded at once."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from service.bundle import InputSpec
from service.engine import Engine

NEW_SHARE = 0.2  # of each new measurement in the running mean: a change of speed is learnt within a dozen batches


class CostModel:
    """Seconds that the engine takes for a batch, by its size; seeded by measurement and kept current."""

    def __init__(self, seconds_by_size: Mapping[int, float]) -> None:
        self._seconds = dict(sorted(seconds_by_size.items()))

    def seconds(self, size: int) -> float:
        """The predicted time of a batch of `size` images: between the sizes seen so far, on a line."""
        return float(np.interp(size, list(self._seconds), list(self._seconds.values())))

    def observe(self, size: int, seconds: float) -> None:
        """Learn from a batch."""
        known = self._seconds.get(size)
        if known is not None:
            self._seconds[size] = known + NEW_SHARE * (seconds - known)
        else:
            self._seconds = dict(sorted({**self._seconds, size: seconds}.items()))

    def finish_seconds(self, num_ahead: int, max_batch: int) -> float:
        """Time until an image is answered that has `num_ahead` images before it, once the running batch is done."""
        num_full, rest = divmod(num_ahead, max_batch)
        return num_full * self.seconds(max_batch) + self.seconds(rest + 1)


def measure_costs(engine: Engine, spec: InputSpec, max_batch: int) -> CostModel:
    """Warm the engine up at batch sizes 1, 2, 4 … max_batch; the second run of each counts."""
    seconds = {}
    for size in sorted({min(2**i, max_batch) for i in range(max_batch.bit_length() + 1)}):
        images = np.zeros((size, spec.height, spec.width, 3), np.uint8)
        engine(images)
        start = time.perf_counter()
        engine(images)
        seconds[size] = time.perf_counter() - start
    return CostModel(seconds)


class BudgetExceededError(Exception):
    """The pixels being decoded leave no room for this image."""


class PixelBudget:
    """Bounds the memory that decoding takes; for threads."""

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._lock = threading.Lock()
        self.pixels = 0

    @contextmanager
    def reserved(self, num_pixels: int) -> Iterator[None]:
        """Hold `num_pixels` of the budget. An image alone is always let in, whatever its size."""
        with self._lock:
            if self.pixels and self.pixels + num_pixels > self._max_pixels:
                raise BudgetExceededError(f"{self.pixels} pixels are being decoded, {num_pixels} more are too many")
            self.pixels += num_pixels
        try:
            yield
        finally:
            with self._lock:
                self.pixels -= num_pixels
