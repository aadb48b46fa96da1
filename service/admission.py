"""What decides whether work is taken on: what a batch costs, and how many pixels may be decoded at once."""

import heapq
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.engine import Engine

NEW_SHARE = 0.2  # of each new measurement in the running mean: a change of speed is learnt within a dozen batches
NEW_SHARE_OF_OTHERS = 0.05  # the same for the sizes that were not measured this time
WORTHLESS_GAIN = 0.05  # in images a second: so much is not worth the wait for a larger batch
MAX_SURPRISE = 3.0  # one batch counts as at most so many times what was predicted: a hiccup is no change of speed


class CostModel:
    """Seconds that the engine takes for a batch, by its size; seeded by measurement and kept current."""

    def __init__(self, seconds_by_size: Mapping[int, float]) -> None:
        self._seconds = dict(sorted(seconds_by_size.items()))

    def seconds(self, size: int) -> float:
        """The predicted time of a batch of `size` images: between the sizes seen so far, on a line."""
        known = self._seconds.get(size)
        return float(np.interp(size, list(self._seconds), list(self._seconds.values()))) if known is None else known

    def best_size(self, max_batch: int) -> int:
        """The smallest batch, of those seen so far, that does nearly as many images a second as the best one.

        On a GPU that is a large one. With one thread of a CPU the time grows with the images: there a batch gains nothing,
        and all its images would wait for its last.
        """
        each = {size: seconds / size for size, seconds in self._seconds.items() if size <= max_batch}
        enough = (1 + WORTHLESS_GAIN) * min(each.values(), default=0.0)
        return next((size for size, seconds in each.items() if seconds <= enough), max_batch)

    def observe(self, size: int, seconds: float) -> None:
        """Learn from a batch. The other sizes follow a little, for what slows one size down slows all of them down."""
        known = self._seconds.get(size)
        if known is None:
            self._seconds = dict(sorted({**self._seconds, size: seconds}.items()))
            return
        ratio = min(seconds / known, MAX_SURPRISE)
        own, others = 1 + NEW_SHARE * (ratio - 1), 1 + NEW_SHARE_OF_OTHERS * (ratio - 1)
        self._seconds = {other: value * (own if other == size else others) for other, value in self._seconds.items()}

    def finish_seconds(self, num_ahead: int, max_batch: int, streams: Sequence[float]) -> float:
        """Time until an image is answered that has `num_ahead` images before it; `streams`: when each stream will be free."""
        free_at = sorted(streams)
        left = num_ahead + 1
        while True:
            size = min(left, max_batch)
            finish = free_at[0] + self.seconds(size)
            left -= size
            if not left:
                return finish
            heapq.heapreplace(free_at, finish)


def measure_costs(engine: Engine, spec: InputSpec, max_batch: int, *, num_streams: int = 1) -> CostModel:
    """Warm the engine up at batch sizes 1, 2, 4 … max_batch, all streams at once; the second run of each counts."""
    seconds = {}
    with ThreadPoolExecutor(num_streams) as threads:
        for size in sorted({min(2**i, max_batch) for i in range(max_batch.bit_length() + 1)}):
            images = np.zeros((size, spec.height, spec.width, 3), np.uint8)
            seconds[size] = max(threads.map(_seconds_of_second_run, [engine] * num_streams, [images] * num_streams))
    return CostModel(seconds)


def _seconds_of_second_run(engine: Engine, images: NDArray[np.uint8]) -> float:
    engine(images)
    start = time.perf_counter()
    engine(images)
    return time.perf_counter() - start


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
