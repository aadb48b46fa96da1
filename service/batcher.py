"""Batching without waiting: while the engine runs one batch, the requests that arrive form the next.

One thread owns the engine. It takes what is queued, at most `max_batch` images, earliest deadline first, and never
waits while there is any. Nothing here uses a timer but the deadline of each request.
"""

import asyncio
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.admission import CostModel
from service.engine import Candidates, Engine

logger = logging.getLogger("singleshot")


class RejectedError(Exception):
    """The image is not taken on: the queue is full, or its answer would come too late. Try again in some seconds."""

    def __init__(self, reason: str, detail: str, retry_after_seconds: float) -> None:
        super().__init__(detail)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class ExpiredError(Exception):
    """The deadline passed before there was an answer."""


class BatchFailedError(Exception):
    """The engine threw; the other batches are not touched."""


@dataclass(frozen=True)
class Answer:
    """One image's candidates: boxes (T, 4), scores (T,), labels (T,), and what it went through."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    queue_seconds: float
    infer_seconds: float


@dataclass(frozen=True, order=True)
class _Waiting:
    deadline: float
    number: int
    image: NDArray[np.uint8] = field(compare=False)
    submitted: float = field(compare=False)
    answer: asyncio.Future[Answer] = field(compare=False)


class Batcher:
    """The queue before one engine and the thread that runs it. `start` and `submit` are called on one event loop."""

    def __init__(
        self, engine: Engine, cost: CostModel, *, max_batch: int, max_queue: int, on_batch: Callable[[int, float], None]
    ) -> None:
        self._engine = engine
        self._cost = cost
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._on_batch = on_batch
        self._numbers = itertools.count()
        self._changed = threading.Condition()  # guards the three below
        self._queue: list[_Waiting] = []  # a heap
        self._batch_done_at = 0.0  # predicted
        self._is_closing = False

    def start(self) -> None:
        """Start the engine's thread."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    async def close(self, timeout_seconds: float) -> None:
        """Take no more images, answer those that were taken, and stop; give up on a stuck engine after the timeout."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, timeout_seconds)

    @property
    def depth(self) -> int:
        """Images that wait."""
        return len(self._queue)

    async def submit(self, image: NDArray[np.uint8], deadline: float) -> Answer:
        """Run image uint8 [h, w, 3] with the next batch and wait for it until `deadline` (time.monotonic()).

        Raises RejectedError at once, ExpiredError at the deadline, BatchFailedError where the engine threw. Whoever is
        cancelled here leaves the queue.
        """
        now = time.monotonic()
        waiting = _Waiting(deadline, next(self._numbers), image, now, self._loop.create_future())
        with self._changed:
            self._admit(waiting, now)
            heapq.heappush(self._queue, waiting)
            self._changed.notify()
        try:
            async with asyncio.timeout(deadline - now):
                return await waiting.answer
        except TimeoutError:
            raise ExpiredError(f"no answer within {deadline - now:.3g} s") from None
        finally:
            if not waiting.answer.done() or waiting.answer.cancelled():
                self._forget(waiting)

    def _admit(self, waiting: _Waiting, now: float) -> None:
        running_seconds = max(0.0, self._batch_done_at - now)
        if self._is_closing or len(self._queue) >= self._max_queue:
            # the running batch makes room when it ends
            raise RejectedError("queue_full", f"{len(self._queue)} images are waiting already", running_seconds)
        num_ahead = sum(other < waiting for other in self._queue)
        finish = running_seconds + self._cost.finish_seconds(num_ahead, self._max_batch)
        if now + finish > waiting.deadline:
            detail = f"the answer would take {finish:.3g} s, the request's deadline is in {waiting.deadline - now:.3g} s"
            # by then the backlog is short enough for a request with as much time as this one
            raise RejectedError("late", detail, now + finish - waiting.deadline)

    def _forget(self, waiting: _Waiting) -> None:
        with self._changed:
            if waiting in self._queue:
                self._queue.remove(waiting)
                heapq.heapify(self._queue)

    def _work(self) -> None:
        while batch := self._next_batch():
            start = time.monotonic()
            answers: list[Answer] | BatchFailedError
            try:
                candidates = self._engine(np.stack([waiting.image for waiting in batch]))
                infer_seconds = time.monotonic() - start
                answers = [_row(candidates, row, start - batch[row].submitted, infer_seconds) for row in range(len(batch))]
            except Exception as error:  # whatever it is, it concerns this batch only
                logger.exception("the engine failed on a batch of %d", len(batch))
                answers = BatchFailedError(f"the engine failed: {type(error).__name__}")
            else:
                self._cost.observe(len(batch), infer_seconds)
            self._on_batch(len(batch), time.monotonic() - start)
            self._loop.call_soon_threadsafe(_deliver, batch, answers)

    def _next_batch(self) -> list[_Waiting]:
        """Wait for images and take those with the earliest deadlines; empty when the batcher closes."""
        with self._changed:
            self._batch_done_at = 0.0
            while True:
                batch: list[_Waiting] = []
                now = time.monotonic()
                while self._queue and len(batch) < self._max_batch:
                    waiting = heapq.heappop(self._queue)
                    if waiting.deadline > now and not waiting.answer.done():
                        batch.append(waiting)
                if batch:
                    self._batch_done_at = now + self._cost.seconds(len(batch))
                    return batch
                if self._is_closing:
                    return []
                self._changed.wait()


def _row(candidates: Candidates, row: int, queue_seconds: float, infer_seconds: float) -> Answer:
    return Answer(candidates.boxes[row], candidates.scores[row], candidates.labels[row], queue_seconds, infer_seconds)


def _deliver(batch: list[_Waiting], answers: list[Answer] | BatchFailedError) -> None:
    for row, waiting in enumerate(batch):
        if waiting.answer.done():  # departed or expired meanwhile
            continue
        if isinstance(answers, BatchFailedError):
            waiting.answer.set_exception(answers)
        else:
            waiting.answer.set_result(answers[row])
