"""What a batch costs, by its size: measured at warm-up, kept current by what is seen since."""

import heapq
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from service.bundle import InputSpec
from service.engines.engine import Engine

NEW_SHARE = 0.2  # of each new measurement in the running mean: a change of speed is learnt within a dozen batches
NEW_SHARE_OF_OTHERS = (
    0.18  # the same for the other sizes: what slows one down, as other work does, slows all of them down
)
WORTHLESS_GAIN = 0.02  # in images a second: so much is not worth a larger batch
WORTHWHILE_GAIN = 0.05  # in seconds an image: for less, nobody should wait for a batch to end
NUM_ROUNDS = 8  # of measurement, at most
MEASURE_SECONDS = 2.0  # after which no further round begins
MAX_SURPRISE = 3.0  # one batch counts as at most so many times what was predicted: a hiccup is no change of speed


class CostModel:
    """Seconds that a batch keeps a stream busy, by its size: those of the engine, seeded by measurement and kept current, and
    for each image those of decoding, as far as the stream decodes.
    """

    def __init__(self, seconds_by_size: Mapping[int, float]) -> None:
        self._seconds = dict(sorted(seconds_by_size.items()))
        self._seeded = tuple(self._seconds)
        self._decode_seconds = 0.0  # for each image

    def seconds(self, size: int) -> float:
        """The predicted time of a batch of `size` images: between the sizes seen so far, on a line."""
        known = self._seconds.get(size)
        if known is None:
            known = float(np.interp(size, list(self._seconds), list(self._seconds.values())))
        return known + size * self._decode_seconds

    def best_size(self, max_batch: int) -> int:
        """The smallest batch, of the sizes measured at first, that does as many images a second as the best one.

        On a GPU that is a large one. With one thread of a CPU the time grows nearly with the images.
        """
        each = {size: self.seconds(size) / size for size in self._seeded if size <= max_batch}
        enough = (1 + WORTHLESS_GAIN) * min(each.values(), default=0.0)
        return next((size for size, seconds in each.items() if seconds <= enough), max_batch)

    def observe(self, size: int, seconds: float, decode_seconds: float = 0.0) -> None:
        """Learn from a batch that took the engine `seconds`, after `decode_seconds` for decoding its images.

        The other sizes follow nearly as much.
        """
        self._decode_seconds += NEW_SHARE * (decode_seconds / size - self._decode_seconds)
        known = self._seconds.get(size)
        if known is None:
            self._seconds = dict(sorted({**self._seconds, size: seconds}.items()))
            return
        ratio = min(seconds / known, MAX_SURPRISE)
        own, others = 1 + NEW_SHARE * (ratio - 1), 1 + NEW_SHARE_OF_OTHERS * (ratio - 1)
        self._seconds = {other: value * (own if other == size else others) for other, value in self._seconds.items()}

    def finish_seconds(self, num_ahead: int, max_batch: int, streams: Sequence[float]) -> float:
        """Time until an image is answered that has `num_ahead` images before it; `streams`: when each stream will be free."""
        num_full, rest = divmod(num_ahead + 1, max_batch)
        sizes = [max_batch] * num_full + ([rest] if rest else [])
        return self._finishes(sizes, streams)[-1]

    def fair_size(self, num_waiting: int, max_batch: int, others: Sequence[float]) -> int:
        """How many of `num_waiting` images a stream that is free takes on now; `others`: when each other stream will be free.

        As few as leaves nobody worse off: the others must be done with the rest before one large batch were. So streams
        share what waits, and batches grow with the load instead of making the first image wait for the last.

        Where images would be answered sooner, on the whole, one after another than together, as on a CPU, a batch is for those
        who wait behind it: it has one of the sizes that save enough, and no more images than leave somebody behind.
        """
        largest = min(num_waiting, max_batch)
        together = self.seconds(largest)
        free_at = [0.0, *sorted(others)]
        is_sooner_together = together <= sum(self._finishes([1] * largest, free_at)) / largest  # on average
        sizes = range(1, largest + 1) if is_sooner_together else self._saving_sizes(largest)
        for size in sizes:
            last = -(-num_waiting // size) - 1  # the stream that would get the last image
            if size < largest and last < len(free_at) and free_at[last] + self.seconds(size) < together:
                return size
        return largest if is_sooner_together else max(size for size in sizes if size < num_waiting)

    def _finishes(self, sizes: Sequence[int], streams: Sequence[float]) -> list[float]:
        """When each of these batches ends, one after another on the stream that is free first."""
        free_at, finishes = sorted(streams), []
        for size in sizes:
            finishes.append(free_at[0] + self.seconds(size))
            heapq.heapreplace(free_at, finishes[-1])
        return finishes

    def _saving_sizes(self, largest: int) -> list[int]:
        """1, and of the sizes measured at first those in which an image costs enough less than in the next smaller one."""
        sizes = [1]
        for size in self._seeded:
            if (
                size <= largest
                and self.seconds(size) / size <= (1 - WORTHWHILE_GAIN) * self.seconds(sizes[-1]) / sizes[-1]
            ):
                sizes.append(size)
        return sizes


def measure_costs(engine: Engine, spec: InputSpec, max_batch: int, *, num_streams: int = 1) -> CostModel:
    """Warm the engine up at batch sizes 1, 2, 4 … max_batch, all streams at once, then measure them.

    They take turns in several rounds and the fastest run of each counts: on a busy machine a single run says more about
    the others than about the batch, and what one size gains over another would be learnt wrongly, for good.
    """
    sizes = sorted({min(2**i, max_batch) for i in range(max_batch.bit_length() + 1)})
    batches = {size: np.zeros((size, spec.height, spec.width, 3), np.uint8) for size in sizes}
    with ThreadPoolExecutor(num_streams) as threads:

        def run(size: int) -> float:
            return max(threads.map(_seconds_of_run, [engine] * num_streams, [batches[size]] * num_streams))

        for size in sizes:
            run(size)
        seconds = {size: run(size) for size in sizes}
        give_up_at = time.perf_counter() + MEASURE_SECONDS
        for _ in range(NUM_ROUNDS - 1):
            if time.perf_counter() < give_up_at:
                seconds = {size: min(known, run(size)) for size, known in seconds.items()}
    return CostModel(seconds)


def _seconds_of_run(engine: Engine, images: NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    engine(images)
    return time.perf_counter() - start
