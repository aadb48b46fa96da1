"""The cost of a batch by its size: measured at warm-up, and updated with each batch."""

import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from service.bundle import InputSpec
from service.engines.protocol import Engine
from service.engines.speed import seconds_of

NEW_SHARE = 0.2  # weight of a new measurement in the running mean: a change of speed is learnt within a dozen batches
NEW_SHARE_OF_OTHERS = 0.18  # the same weight for the other sizes: other work on the machine slows all of them
HANDLING_SECONDS = 0.0015  # of each batch beside the engine: threads, Python, the event loop
WORTHLESS_GAIN = 0.02  # relative gain in images a second that does not justify a larger batch
NUM_ROUNDS = 8  # rounds of measurement at most
MIN_TURNS, MAX_TURNS = 2, 12  # of `measure_ratio`
TURNS_SECONDS = 2.0  # no further turn starts after this time
MEASURE_SECONDS = 0.5  # no further round starts after this time
MAX_SURPRISE = 3.0  # a batch counts as at most this many times its prediction: one slow batch is no change of speed


class CostModel:
    """The seconds for which a batch of a given size occupies a stream.

    They are the engine's time, measured at warm-up and updated since, plus the decoding time of each image that the
    stream decodes itself. `batch_sizes` are the sizes that the engine computes: a batch of another size costs as much
    as the next larger one. None means any size.
    """

    def __init__(self, seconds_by_size: Mapping[int, float], batch_sizes: Sequence[int] | None = None) -> None:
        self._seconds = dict(sorted(seconds_by_size.items()))
        self._batch_sizes = sorted(batch_sizes or ())
        self.measured_sizes = tuple(self._seconds)
        self._decode_seconds = 0.0  # of one image
        self._asked: dict[int, float] = {}  # the predictions since the last batch: each request asks for several

    def seconds(self, size: int) -> float:
        """The predicted time of a batch of `size` images, interpolated linearly between the sizes seen so far.

        Beyond the largest of them, each image costs as much as in the largest.
        """
        asked = self._asked
        seconds = asked.get(size)
        if seconds is None:
            computed = self._computed_size(size)
            known = self._seconds.get(computed)
            if known is None:
                largest = max(self._seconds)
                known = float(np.interp(computed, list(self._seconds), list(self._seconds.values())))
                known *= max(1.0, computed / largest)
            seconds = asked[size] = known + size * self._decode_seconds
        return seconds

    def seconds_each(self, size: int) -> float:
        """What one of `size` images costs in all, if they run as one batch: its share of the stream and the handling.

        The handling delays no answer by so much, but if the streams take all cores, other images cannot run meanwhile.
        """
        return (self.seconds(size) + HANDLING_SECONDS) / size

    def best_size(self, max_batch: int) -> int:
        """The smallest of the measured sizes whose throughput is nearly the best.

        On a GPU this is a large size. With one thread of a CPU it is small, because the time is almost linear in the
        size.
        """
        each = {size: self.seconds_each(size) for size in self.measured_sizes if size <= max_batch}
        enough = (1 + WORTHLESS_GAIN) * min(each.values(), default=0.0)
        return next((size for size, seconds in each.items() if seconds <= enough), max_batch)

    def add(self, size: int, images: float) -> None:
        """Learn a measured size: a batch of it takes as long as `images` batches of one image."""
        self._seconds = dict(sorted({**self._seconds, size: images * self._seconds[1]}.items()))
        self.measured_sizes = tuple(sorted({*self.measured_sizes, size}))
        self._asked = {}

    def observe(self, size: int, seconds: float, decode_seconds: float = 0.0) -> None:
        """Learn from a batch: the engine took `seconds`, after the stream had decoded its images in `decode_seconds`.

        The predictions of the other sizes change almost as much. An image that takes longer to decode than to run
        counts as one that takes as long: no such image was meant to be decoded in a stream.
        """
        engine_seconds = self.seconds(1) - self._decode_seconds
        self._decode_seconds += NEW_SHARE * (min(decode_seconds / size, engine_seconds) - self._decode_seconds)
        size = self._computed_size(size)
        known = self._seconds.get(size)
        if known is None:
            self._seconds = dict(sorted({**self._seconds, size: seconds}.items()))
        else:
            ratio = min(seconds / known, MAX_SURPRISE)
            own, others = 1 + NEW_SHARE * (ratio - 1), 1 + NEW_SHARE_OF_OTHERS * (ratio - 1)
            self._seconds = {
                other: value * (own if other == size else others) for other, value in self._seconds.items()
            }
        self._asked = {}

    def _computed_size(self, size: int) -> int:
        return next((computed for computed in self._batch_sizes if computed >= size), size)

    def finish_seconds(self, num_ahead: int, max_batch: int, free_in: Sequence[float]) -> float:
        """Seconds until an image behind `num_ahead` others is answered; `free_in`: until each stream is free."""
        num_full, rest = divmod(num_ahead + 1, max_batch)
        sizes = [max_batch] * num_full + ([rest] if rest else [])
        return self.finishes(sizes, free_in)[-1]

    def finishes(self, sizes: Sequence[int], free_in: Sequence[float]) -> list[float]:
        """When each batch of these sizes ends, if each runs on the stream that is free first."""
        free_at, finishes = sorted(free_in), []
        for size in sizes:
            finishes.append(free_at[0] + self.seconds(size))
            heapq.heapreplace(free_at, finishes[-1])
        return finishes


def measure_costs(engine: Engine, spec: InputSpec, sizes: Sequence[int], *, num_streams: int = 1) -> CostModel:
    """Warm the engine up at each of the batch `sizes`, on all streams at once, then measure them.

    The sizes take turns in several rounds, and the fastest run of each counts. A single run on a busy machine measures
    the other work more than the batch, and a wrong ratio between two sizes would never be corrected.
    """
    batches = {size: np.zeros((size, spec.height, spec.width, 3), np.uint8) for size in sizes}
    with ThreadPoolExecutor(num_streams) as threads:

        def run(size: int) -> float:
            return max(threads.map(seconds_of, [partial(engine, batches[size])] * num_streams))

        for size in sizes:
            run(size)
        seconds = {size: run(size) for size in sizes}
        give_up_at = time.perf_counter() + MEASURE_SECONDS
        for _ in range(NUM_ROUNDS - 1):
            if time.perf_counter() < give_up_at:
                seconds = {size: min(known, run(size)) for size, known in seconds.items()}
    return CostModel(seconds, engine.batch_sizes)


def measure_ratio(
    engine: Engine, spec: InputSpec, size: int, run_turn: Callable[[Callable[[], float]], float | None]
) -> float | None:
    """How many batches of one image run in the time of a batch of `size`, on one stream.

    In each turn `size` images run one by one and then together. Both take as long, so other work on the machine slows
    both alike, and the median of the turns counts. `run_turn` runs a turn and returns its result; with None, which ends
    the measurement, the ratio is None too.
    """
    one, several = (np.zeros((number, spec.height, spec.width, 3), np.uint8) for number in (1, size))

    def turn() -> float:
        alone_seconds = seconds_of(lambda: [engine(one) for _ in range(size)])
        return seconds_of(partial(engine, several)) / alone_seconds

    shares: list[float] = []
    seconds = 0.0
    while len(shares) < MIN_TURNS or (len(shares) < MAX_TURNS and seconds < TURNS_SECONDS):
        start = time.perf_counter()
        share = run_turn(turn)
        if share is None:
            return None
        seconds += time.perf_counter() - start
        shares.append(share)
    return size * float(np.median(shares[1:]))  # the first batches are slow
