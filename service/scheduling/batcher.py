"""Batching without waiting: while the engine runs batches, the requests that arrive form the next.

Leader and followers: of the batcher's threads, one at a time assembles, as long as there is something to assemble. It moves
images into its buffer as they arrive, earliest deadline first, and the moment that a stream of the engine is free it runs the
batch itself, while another thread takes over what comes. After the run it gives the stream back before it finishes its answers
(soft-NMS), so neither copying nor finishing keeps the engine waiting. The only wait by the clock is the look-ahead from idle,
see `_hold_until`. No thread is woken that has nothing to do: on a CPU it would take a core from those that compute.
"""

import asyncio
import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engines.engine import Engine
from service.scheduling.admission import Admission, Load
from service.scheduling.assembly import Answer, Assembly, Place, Waiting
from service.scheduling.cost_model import CostModel
from service.scheduling.results import BatchFailedError, answers_of, deliver, failure_of, finished
from service.telemetry.logs import request_id

LOOK_AHEAD = 0.5  # of the time that a larger batch saves is what an idle engine waits for an image being decoded


class ExpiredError(Exception):
    """The deadline passed before there was an answer."""


@dataclass(frozen=True)
class Run:
    """A batch on a stream of the engine: when it began, and when it should be done."""

    began: float
    done: float


class Batcher:
    """The queue before one engine and the threads that run it; all but `submit` and `fail` belong to one event loop.

    The way of an image: `reserve` takes it on, a thread that decodes it calls `submit`, `answer` waits for what comes of it.

    A batch has at most max_batch images, and not more than pay. batch_sizes are the sizes that the engine runs, None for
    any: a batch between two of them is padded. Two spare threads keep a device busy: one assembles, one finishes answers. Where
    the streams are the cores themselves there should be none, for they would only take turns with the streams.
    on_batch is called after each batch with its size and its seconds.
    """

    def __init__(
        self,
        engine: Engine,
        cost: CostModel,
        *,
        num_streams: int = 1,
        num_spare_threads: int = 2,
        max_batch: int,
        max_queue: int,
        batch_sizes: Sequence[int] | None = None,
        on_batch: Callable[[int, float], None],
    ) -> None:
        self._engine = engine
        self._cost = cost
        self._num_streams = num_streams
        self._num_threads = num_streams + num_spare_threads
        self._max_batch = max_batch
        self._max_queue = max_queue
        self._batch_sizes = batch_sizes
        self._on_batch = on_batch
        self._numbers = itertools.count()
        self._lock = threading.Lock()  # guards all below
        self._changed = threading.Condition(self._lock)  # where the thread that assembles waits
        self._vacant = threading.Condition(self._lock)  # where the others wait until one of them has to assemble
        self._is_assembling = False
        self._queue: list[Waiting] = []  # a heap
        self._assembly = Assembly(max_batch)
        self._expected: set[Place] = set()  # taken on, not decoded yet
        self._runs: dict[int, Run] = {}  # by thread
        self._limit = cost.best_size(max_batch)  # images in a batch, as long as the costs are what they are
        self._is_closing = False
        self._failures_in_a_row = 0
        self._admission = Admission(cost)  # the event loop's

    def start(self) -> None:
        """Start the threads: one for each stream, and those that assemble and finish answers meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._work, name=f"engine-{number}", daemon=True)
            for number in range(self._num_threads)
        ]
        for thread in self._threads:
            thread.start()

    async def close(self, timeout_seconds: float) -> None:
        """Take no more images, answer those that were taken, and stop; give up on a stuck engine after the timeout."""
        with self._lock:
            self._is_closing = True
            self._vacant.notify_all()
        give_up_at = time.monotonic() + timeout_seconds
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, give_up_at - time.monotonic()))

    @property
    def depth(self) -> int:
        """Images that wait."""
        return len(self._queue) + sum(not waiting.place.result.done() for waiting in self._assembly.members)

    @property
    def image_seconds(self) -> float:
        """What a batch of one image costs."""
        return self._cost.seconds(1)

    @property
    def failures_in_a_row(self) -> int:
        """How many batches have failed since one went well."""
        return self._failures_in_a_row

    def longest_overdue_seconds(self) -> float:
        """By how much the slowest running batch is later than was predicted; negative while all are in time."""
        now = time.monotonic()
        with self._lock:
            return max((now - run.done for run in self._runs.values()), default=-1.0)

    def finish_seconds(self) -> float:
        """When an image would be answered that came now, behind all others."""
        with self._lock:
            return self._cost.finish_seconds(
                len(self._expected) + self.depth, self._limit, self._free_in(time.monotonic())
            )

    def check(self, deadline: float) -> None:
        """Raise RejectedError where an image wanted until then would be refused now, and the later it came the more so."""
        with self._lock:
            self._admit(deadline, time.monotonic(), 0.0)

    @contextmanager
    def reserve(self, deadline: float, ready_seconds: float = 0.0) -> Iterator[Place]:
        """Take an image on that will be ready in `ready_seconds` and wanted until `deadline` (time.monotonic()).

        Raises RejectedError at once where the queue is full or the answer would come too late. Whoever leaves the context
        without an answer leaves the queue.
        """
        now = time.monotonic()
        with self._lock:
            number, predicted = self._admit(deadline, now, ready_seconds)
            due, result = now + ready_seconds, self._loop.create_future()
            place = Place(deadline, number, due, predicted, result, request_id.get())
            self._expected.add(place)
        try:
            yield place
        finally:
            if not place.result.cancel() and not place.result.cancelled():
                place.result.exception()  # told or not, nobody asks for it any longer
            with self._lock:
                self._forget(place)

    def submit(
        self,
        place: Place,
        image: NDArray[np.uint8] | Callable[[], NDArray[np.uint8]],
        finish: Callable[[Answer], object],
    ) -> None:
        """Run image uint8 [h, w, 3] with the next batch; what `finish` makes of its Answer, in a thread, goes to the place.

        An image may be a function that decodes it: the stream that runs the batch calls it then, and where it raises, only its
        own place fails.
        """
        waiting = Waiting(place, image, time.monotonic(), finish)
        with self._lock:
            if place in self._expected:  # else its client has departed
                self._expected.remove(place)
                heapq.heappush(self._queue, waiting)
                if len(self._runs) < self._num_streams or not callable(image):  # else there is nothing to do for it yet
                    (self._changed if self._is_assembling else self._vacant).notify()

    def fail(self, place: Place, error: Exception) -> None:
        """Nothing will be submitted: `answer` raises this error."""
        self._loop.call_soon_threadsafe(deliver, [place], [error])

    async def answer(self, place: Place) -> Any:
        """What `finish` made of the place's Answer.

        Raises ExpiredError at the deadline, BatchFailedError where the engine threw, and what `finish` or `fail` raised.
        """
        seconds = place.deadline - time.monotonic()
        result = None
        try:
            async with asyncio.timeout(seconds):
                result = await place.result
            is_late = time.monotonic() > place.deadline  # the event loop may have come late to it
        except TimeoutError:
            is_late = True
        self._learn(place)
        if is_late:
            raise ExpiredError(f"no answer within {seconds:.3g} s")
        return result

    def _learn(self, place: Place) -> None:
        """How late it is now for an answer to the place."""
        self._admission.learn(time.monotonic() - place.predicted, self._limit)

    def _admit(self, deadline: float, now: float, ready_seconds: float) -> tuple[int, float]:
        """The number of an image that is taken on, and when it should be answered; raises RejectedError."""
        number = next(self._numbers)
        num_taken = self.depth + len(self._expected)
        others = itertools.chain((waiting.place for waiting in (*self._queue, *self._assembly.members)), self._expected)
        num_ahead = sum((other.deadline, other.number) < (deadline, number) for other in others)
        has_room = num_taken < self._max_queue and not self._is_closing
        load = Load(num_taken, num_ahead, len(self._runs), self._free_in(now), self._limit, has_room)
        return number, self._admission.admit(load, now=now, deadline=deadline, ready_seconds=ready_seconds)

    def _free_in(self, now: float) -> list[float]:
        """When each stream should be free, in seconds from now."""
        done = [max(0.0, run.done - now) for run in self._runs.values()]
        return done + [0.0] * (self._num_streams - len(done))

    def _forget(self, place: Place) -> None:
        if place in self._expected:
            self._expected.remove(place)
            self._changed.notify()  # somebody may wait for it
            if self._is_closing:
                self._vacant.notify_all()
        else:
            kept = [waiting for waiting in self._queue if waiting.place is not place]
            if len(kept) < len(self._queue):
                self._queue[:] = kept
                heapq.heapify(self._queue)

    def _work(self) -> None:
        assembly = Assembly(self._max_batch, self._batch_sizes)
        while self._take_over():
            try:
                is_ready = self._assemble(assembly)
            except Exception as error:  # there is no memory for the images, say
                self._give_up(assembly, error)
            else:
                if is_ready:
                    self._run(assembly)

    def _take_over(self) -> bool:
        """Wait until there is something to assemble and nobody does -> whether there is; no, when the batcher closes."""
        with self._lock:
            while self._is_assembling or not self._queue:
                if self._is_closing and not (self._is_assembling or self._expected):
                    self._vacant.notify_all()  # that was all, for the others too
                    return False
                self._vacant.wait()
            self._is_assembling = True
            return True

    def _assemble(self, assembly: Assembly) -> bool:
        """Fill the assembly until a stream is free for it -> whether there is anything left to run."""
        held_since: float | None = None
        with self._lock:
            self._assembly = assembly
            was_idle = len(self._runs) < self._num_streams
        while True:
            with self._lock:
                now = time.monotonic()
                self._drop_useless(assembly, now)
                moved = assembly.take(self._queue, self._limit)
                if not moved:
                    if not assembly.members:
                        self._hand_over()
                        return False
                    wait_seconds = None
                    if len(self._runs) < self._num_streams:
                        held_since = held_since or now
                        hold_until = self._hold_until(assembly, held_since) if was_idle else now
                        if hold_until <= now:
                            self._put_back_what_delays(assembly, now)
                            self._runs[threading.get_ident()] = Run(
                                now, now + self._cost.seconds(len(assembly.members))
                            )
                            self._hand_over()
                            return True
                        wait_seconds = hold_until - now
                    self._changed.wait(wait_seconds)
            assembly.place(moved)

    def _hand_over(self) -> None:
        """What comes is assembled by another thread."""
        self._assembly = Assembly(self._max_batch)
        self._is_assembling = False
        if self._queue:
            self._vacant.notify()

    def _give_up(self, assembly: Assembly, error: Exception) -> None:
        """The images cannot be put together: their requests are to know, and what comes is not to suffer."""
        failure, places = failure_of(assembly.members, error), [waiting.place for waiting in assembly.members]
        assembly.members = []
        with self._lock:
            self._failures_in_a_row += 1
            self._hand_over()
        self._loop.call_soon_threadsafe(deliver, places, [failure] * len(places))

    def _drop_useless(self, assembly: Assembly, now: float) -> None:
        """Leave out whoever departed, expired or cannot be in time. If nobody can, run them: else no cost would be learnt."""
        assembly.keep(lambda waiting: not waiting.place.result.done() and waiting.place.deadline > now)
        seconds = self._cost.seconds(1)
        if any(waiting.place.deadline >= now + seconds for waiting in assembly.members):
            assembly.keep(lambda waiting: waiting.place.deadline >= now + seconds)

    def _put_back_what_delays(self, assembly: Assembly, now: float) -> None:
        """Leave the least urgent members for the next batches: what other streams will have done as soon, and what would make
        this batch miss its earliest deadline.

        An image is taken on by the batch that it would be in just then; what comes after it must not make that one late.
        """
        by_urgency = sorted(assembly.members)
        others = self._free_in(now)
        others.remove(0.0)  # this stream's own
        size = self._cost.fair_size(len(by_urgency) + len(self._queue), self._limit, others)
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
        start = time.monotonic()
        broken = assembly.decode()
        batch, decoded = assembly.members, time.monotonic()
        answers: list[Answer] | BatchFailedError = []
        try:
            if batch:
                candidates = self._engine(assembly.images())
                infer_seconds = time.monotonic() - decoded
                answers = answers_of(candidates, batch, decoded, infer_seconds)
        except Exception as error:  # whatever it is, it concerns this batch only
            answers = failure_of(batch, error)
        done = time.monotonic()
        assembly.members = []
        with self._lock:
            if isinstance(answers, BatchFailedError):
                self._failures_in_a_row += 1
            elif batch:  # one of broken images alone says nothing of the engine
                self._failures_in_a_row = 0
                self._cost.observe(len(batch), done - decoded, decoded - start)
                self._limit = self._cost.best_size(self._max_batch)
            del self._runs[threading.get_ident()]
            if self._is_assembling:
                self._changed.notify()
            elif self._queue:
                self._vacant.notify()
        if batch:
            self._on_batch(len(batch), done - decoded)
        results = [answers] * len(batch) if isinstance(answers, BatchFailedError) else finished(batch, answers)
        places = [waiting.place for waiting in batch] + [waiting.place for waiting, _ in broken]
        self._loop.call_soon_threadsafe(deliver, places, results + [error for _, error in broken])
