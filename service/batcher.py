"""Batching without waiting: while the engine runs batches, the requests that arrive form the next.

Leader and followers: of the batcher's threads, one at a time assembles. It moves images into its buffer as they arrive,
earliest deadline first, and the moment that a stream of the engine is free it runs the batch itself, while another thread
takes over assembling. After the run it gives the stream back before it finishes its answers (soft-NMS), so neither copying
nor finishing keeps the engine waiting. The only wait by the clock is the look-ahead from idle, see `_hold_until`.
"""

import asyncio
import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.admission import CostModel
from service.assembly import Answer, Assembly, Place, Waiting
from service.engine import Candidates, Engine
from service.logs import request_id

logger = logging.getLogger("singleshot")

LOOK_AHEAD = 0.5  # of the time that a larger batch saves is what an idle engine waits for an image being decoded


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
class Run:
    """A batch on a stream of the engine: when it began, and when it should be done."""

    began: float
    done: float


class Batcher:
    """The queue before one engine and the threads that run it; all but `submit` and `fail` belong to one event loop.

    The way of an image: `reserve` takes it on, a thread that decodes it calls `submit`, `answer` waits for what comes of it.

    A batch has at most max_batch images, and not more than pay. batch_sizes are the sizes that the engine runs, None for
    any: a batch between two of them is padded.
    on_batch is called after each batch with its size and its seconds.
    """

    def __init__(
        self,
        engine: Engine,
        cost: CostModel,
        *,
        num_streams: int = 1,
        max_batch: int,
        max_queue: int,
        batch_sizes: Sequence[int] | None = None,
        on_batch: Callable[[int, float], None],
    ) -> None:
        self._engine = engine
        self._cost = cost
        self._num_streams = num_streams
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._batch_sizes = batch_sizes
        self._on_batch = on_batch
        self._numbers = itertools.count()
        self._assembling = threading.Lock()  # held by the thread that assembles
        self._changed = threading.Condition()  # guards all below
        self._queue: list[Waiting] = []  # a heap
        self._assembly = Assembly(max_batch)
        self._expected: set[Place] = set()  # taken on, not decoded yet
        self._runs: dict[int, Run] = {}  # by thread
        self._limit = cost.best_size(max_batch)  # images in a batch, as long as the costs are what they are
        self._is_closing = False
        self._failures_in_a_row = 0

    def start(self) -> None:
        """Start the threads: one for each stream, one that assembles, one that finishes answers."""
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._work, name=f"engine-{number}", daemon=True) for number in range(self._num_streams + 2)
        ]
        for thread in self._threads:
            thread.start()

    async def close(self, timeout_seconds: float) -> None:
        """Take no more images, answer those that were taken, and stop; give up on a stuck engine after the timeout."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        give_up_at = time.monotonic() + timeout_seconds
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, give_up_at - time.monotonic()))

    @property
    def depth(self) -> int:
        """Images that wait."""
        return len(self._queue) + sum(not waiting.place.result.done() for waiting in self._assembly.members)

    @property
    def failures_in_a_row(self) -> int:
        """How many batches have failed since one went well."""
        return self._failures_in_a_row

    def longest_overdue_seconds(self) -> float:
        """By how much the slowest running batch is later than was predicted; negative while all are in time."""
        now = time.monotonic()
        with self._changed:
            return max((now - run.done for run in self._runs.values()), default=-1.0)

    def finish_seconds(self) -> float:
        """When an image would be answered that came now, behind all others."""
        with self._changed:
            return self._predict(len(self._expected) + self.depth, time.monotonic())

    @contextmanager
    def reserve(self, deadline: float, ready_seconds: float = 0.0) -> Iterator[Place]:
        """Take an image on that will be ready in `ready_seconds` and wanted until `deadline` (time.monotonic()).

        Raises RejectedError at once where the queue is full or the answer would come too late. With nothing else in the
        batcher an image is always taken on: the costs may have been learnt in worse times. Whoever leaves the context
        without an answer leaves the queue.
        """
        now = time.monotonic()
        place = Place(deadline, next(self._numbers), now + ready_seconds, self._loop.create_future(), request_id.get())
        with self._changed:
            self._admit(place, now)
            self._expected.add(place)
        try:
            yield place
        finally:
            if not place.result.cancel() and not place.result.cancelled():
                place.result.exception()  # told or not, nobody asks for it any longer
            with self._changed:
                self._forget(place)

    def submit(self, place: Place, image: NDArray[np.uint8], finish: Callable[[Answer], object]) -> None:
        """Run image uint8 [h, w, 3] with the next batch; what `finish` makes of its Answer, in a thread, goes to the place."""
        waiting = Waiting(place, image, time.monotonic(), finish)
        with self._changed:
            if place in self._expected:  # else its client has departed
                self._expected.remove(place)
                heapq.heappush(self._queue, waiting)
                self._changed.notify()

    def fail(self, place: Place, error: Exception) -> None:
        """Nothing will be submitted: `answer` raises this error."""
        self._loop.call_soon_threadsafe(_deliver, [place], [error])

    async def answer(self, place: Place) -> Any:
        """What `finish` made of the place's Answer.

        Raises ExpiredError at the deadline, BatchFailedError where the engine threw, and what `finish` or `fail` raised.
        """
        seconds = place.deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                return await place.result
        except TimeoutError:
            raise ExpiredError(f"no answer within {seconds:.3g} s") from None

    def _admit(self, place: Place, now: float) -> None:
        num_taken = self.depth + len(self._expected)
        if self._is_closing or num_taken >= self._max_queue:
            # the next batch that ends makes room
            retry_seconds = min((run.done - now for run in self._runs.values()), default=0.0)
            raise RejectedError("queue_full", f"{num_taken} images are waiting already", max(0.0, retry_seconds))
        if not num_taken and not self._runs:
            return
        num_ahead = sum(waiting.place < place for waiting in itertools.chain(self._queue, self._assembly.members))
        num_ahead += sum(other < place for other in self._expected)
        finish = max(self._predict(num_ahead, now), place.due - now + self._cost.seconds(1))
        if now + finish > place.deadline:
            detail = f"the answer would take {finish:.3g} s, the request's deadline is in {place.deadline - now:.3g} s"
            # by then the backlog is short enough for a request with as much time as this one
            raise RejectedError("late", detail, now + finish - place.deadline)

    def _predict(self, num_ahead: int, now: float) -> float:
        done = [max(0.0, run.done - now) for run in self._runs.values()]
        streams = done + [0.0] * (self._num_streams - len(done))
        return self._cost.finish_seconds(num_ahead, self._limit, streams)

    def _forget(self, place: Place) -> None:
        if place in self._expected:
            self._expected.remove(place)
            self._changed.notify()  # somebody may wait for it
        else:
            kept = [waiting for waiting in self._queue if waiting.place is not place]
            if len(kept) < len(self._queue):
                self._queue[:] = kept
                heapq.heapify(self._queue)

    def _work(self) -> None:
        assembly = Assembly(self._max_batch, self._batch_sizes)
        while True:
            with self._assembling:
                if not self._assemble(assembly):
                    return
            self._run(assembly)

    def _assemble(self, assembly: Assembly) -> bool:
        """Fill the assembly until a stream is free for it -> whether there is anything to run; no, when the batcher closes."""
        was_idle = False
        held_since: float | None = None
        with self._changed:
            self._assembly = assembly
        while True:
            with self._changed:
                now = time.monotonic()
                self._drop_useless(assembly, now)
                moved = assembly.take(self._queue, self._limit)
                if not moved:
                    is_free = len(self._runs) < self._num_streams
                    wait_seconds = None
                    if assembly.members and is_free:
                        held_since = held_since or now
                        hold_until = self._hold_until(assembly, held_since) if was_idle else now
                        if hold_until <= now:
                            self._put_back_what_delays(assembly, now)
                            self._runs[threading.get_ident()] = Run(now, now + self._cost.seconds(len(assembly.members)))
                            self._assembly = Assembly(self._max_batch)
                            return True
                        wait_seconds = hold_until - now
                    elif not assembly.members:
                        if self._is_closing and not self._expected:
                            return False
                        was_idle, held_since = is_free, None
                    self._changed.wait(wait_seconds)
            assembly.place(moved)

    def _drop_useless(self, assembly: Assembly, now: float) -> None:
        """Leave out whoever departed, expired or cannot be in time. If nobody can, run them: else no cost would be learnt."""
        assembly.keep(lambda waiting: not waiting.place.result.done() and waiting.place.deadline > now)
        seconds = self._cost.seconds(1)
        if any(waiting.place.deadline >= now + seconds for waiting in assembly.members):
            assembly.keep(lambda waiting: waiting.place.deadline >= now + seconds)

    def _put_back_what_delays(self, assembly: Assembly, now: float) -> None:
        """Leave the least urgent members for the next batch where with them this one would miss its earliest deadline.

        An image is taken on by the batch that it would be in just then; what comes after it must not make that one late.
        """
        by_urgency = sorted(assembly.members)
        size = len(by_urgency)
        while size > 1 and now + self._cost.seconds(size) > by_urgency[0].place.deadline:
            size -= 1
        if size < len(by_urgency):
            for waiting in by_urgency[size:]:
                heapq.heappush(self._queue, waiting)
            assembly.keep(lambda waiting: waiting <= by_urgency[size - 1])

    def _hold_until(self, assembly: Assembly, held_since: float) -> float:
        """How long an idle stream waits for one more image: for a fraction of what a joint batch saves, if one is due by then.

        Where a batch costs as much as its images alone, as on a CPU with one thread a stream, it does not wait at all.
        """
        size = len(assembly.members)
        due = min((place.due for place in self._expected), default=np.inf)
        if size >= self._limit or len(self._runs) < self._num_streams - 1:  # another stream is free for what comes
            return held_since
        saved = self._cost.seconds(size) + self._cost.seconds(1) - self._cost.seconds(size + 1)
        latest_start = min(waiting.place.deadline for waiting in assembly.members) - self._cost.seconds(size + 1)
        until = min(held_since + LOOK_AHEAD * saved, latest_start)
        return until if due <= until else held_since

    def _run(self, assembly: Assembly) -> None:
        batch, start = assembly.members, time.monotonic()
        answers: list[Answer] | BatchFailedError
        try:
            candidates = self._engine(assembly.images())
            infer_seconds = time.monotonic() - start
            answers = [_row(candidates, row, start - batch[row].submitted, infer_seconds) for row in range(len(batch))]
        except Exception as error:  # whatever it is, it concerns this batch only
            request_ids = [waiting.place.request_id for waiting in batch]
            logger.exception("the engine failed on a batch of %d", len(batch), extra={"request_ids": request_ids})
            answers = BatchFailedError(f"the engine failed: {type(error).__name__}")
        seconds = time.monotonic() - start
        assembly.members = []
        with self._changed:
            has_failed = isinstance(answers, BatchFailedError)
            self._failures_in_a_row = self._failures_in_a_row + 1 if has_failed else 0
            if not has_failed:
                self._cost.observe(len(batch), seconds)
                self._limit = self._cost.best_size(self._max_batch)
            del self._runs[threading.get_ident()]
            self._changed.notify()
        self._on_batch(len(batch), seconds)
        results = [answers] * len(batch) if isinstance(answers, BatchFailedError) else _finish(batch, answers)
        self._loop.call_soon_threadsafe(_deliver, [waiting.place for waiting in batch], results)


def _row(candidates: Candidates, row: int, queue_seconds: float, infer_seconds: float) -> Answer:
    return Answer(candidates.boxes[row], candidates.scores[row], candidates.labels[row], queue_seconds, infer_seconds)


def _finish(batch: Sequence[Waiting], answers: Sequence[Answer]) -> list[Any]:
    """What each image's `finish` makes of its answer, or the exception that it raises."""
    results: list[Any] = []
    for waiting, answer in zip(batch, answers, strict=True):
        try:
            results.append(None if waiting.place.result.done() else waiting.finish(answer))
        except Exception as error:
            results.append(error)
    return results


def _deliver(places: Sequence[Place], results: Sequence[Any]) -> None:
    for place, result in zip(places, results, strict=True):
        if place.result.done():  # departed or expired meanwhile
            continue
        if isinstance(result, Exception):
            place.result.set_exception(result)
        else:
            place.result.set_result(result)
