"""A batcher around an engine that runs only when the test lets it, and jobs whose images are numbers."""

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from service.engines.protocol import Candidates, ImageCandidates
from service.scheduling.admission import TimeLimits
from service.scheduling.batcher import Batcher
from service.scheduling.cost_model import CostModel
from tests.fake_engine import FakeEngine

FAR = 60.0  # seconds; a deadline that no test reaches
UNLUCKY = 13  # a batch with this image makes the engine fail


class GatedEngine(FakeEngine):
    """Reports each batch as the list of its images' first pixels, and runs it when it gets a permit."""

    def __init__(self) -> None:
        self.started: queue.Queue[list[int]] = queue.Queue()
        self.permits = threading.Semaphore(0)

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        first = images[:, 0, 0, 0]
        self.started.put(first.tolist())
        assert self.permits.acquire(timeout=FAR)
        if UNLUCKY in first:
            raise RuntimeError("unlucky")
        scores = first[:, None].astype(np.float32)
        return Candidates(np.zeros((len(images), 1, 4), np.float32), scores, np.zeros((len(images), 1), np.int32))


class NumberJob:
    """An image of one pixel, or of `shape`, that is a number; its answer is the score from the gated engine."""

    is_decoded = True

    def __init__(self, number: int, shape: tuple[int, int, int] = (1, 1, 3)) -> None:
        self._pixels = np.full(shape, number, np.uint8)

    def decode(self) -> NDArray[np.uint8]:
        return self._pixels

    def finish(self, candidates: ImageCandidates, *_: float) -> float:
        return float(candidates.scores[0])


class UndecodedJob(NumberJob):
    """The same image, which the stream must decode."""

    is_decoded = False
    decoded_by = ""

    def decode(self) -> NDArray[np.uint8]:
        self.decoded_by = threading.current_thread().name
        self.is_decoded = True
        return super().decode()


class BrokenJob(NumberJob):
    """An image that the stream cannot decode."""

    is_decoded = False

    def decode(self) -> NDArray[np.uint8]:
        raise ValueError("a broken image")


async def started(engine: GatedEngine) -> list[int]:
    """The next batch that the engine begins."""
    return await asyncio.to_thread(engine.started.get, timeout=FAR)


def with_batcher(
    test: Callable[[Batcher, GatedEngine], Awaitable[None]],
    *,
    max_batch: int = 4,
    max_queue: int = 8,
    seconds: float = 0.001,
    costs: Mapping[int, float] | None = None,
    num_streams: int = 1,
    num_spare_threads: int = 2,
    batch_sizes: Sequence[int] | None = None,
) -> list[int]:
    """Run `test` with a batcher that predicts `seconds` a batch, or `costs` by size -> the sizes that ran."""
    sizes: list[int] = []

    async def run() -> None:
        engine = GatedEngine()
        cost = CostModel(costs or {1: seconds, max_batch: seconds})
        batcher = Batcher(
            engine,
            cost,
            num_streams=num_streams,
            num_spare_threads=num_spare_threads,
            max_batch=max_batch,
            max_queue=max_queue,
            batch_sizes=batch_sizes,
            on_batch=lambda size, _: sizes.append(size),
        )
        batcher.start()
        await test(batcher, engine)
        engine.permits.release(100)
        await batcher.close(FAR)

    asyncio.run(run())
    return sizes


def limits(deadline: float, objective: float | None = None) -> TimeLimits:
    """A deadline in so many seconds, and an objective, which is the deadline if not given."""
    now = time.monotonic()
    return TimeLimits(now + (deadline if objective is None else objective), now + deadline)


def submit(
    batcher: Batcher, number: int, deadline: float = FAR, objective: float | None = None, *, is_checked: bool = False
) -> asyncio.Task[float]:
    """Submit an image whose answer is `number`; the deadline and the objective are in so many seconds."""

    async def answer() -> float:
        with batcher.reserve(NumberJob(number), limits(deadline, objective), is_checked=is_checked) as ticket:
            batcher.submit(ticket)
            return float(await batcher.answer(ticket))

    return asyncio.create_task(answer())
