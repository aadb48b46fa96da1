"""Batching without waiting: while the engine runs batches, the images that arrive form the next batch.

The batcher's threads follow the leader/followers pattern. One thread at a time is the assembler: it moves tickets from
the queue into its buffer, earliest objective first. When a stream of the engine is free, it runs the batch itself, and
another thread becomes the assembler. After the run it frees the stream before it finishes the answers (soft-NMS),
so neither copying nor finishing keeps the engine waiting. The only timed wait is the look-ahead of an idle stream, see
`policy.hold_until`. A thread without work is not woken: on a CPU it would take a core from the threads that compute.
docs/architecture.md has the states of a thread.
"""

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from service.engines.protocol import Engine
from service.scheduling import batch_run as results
from service.scheduling import policy
from service.scheduling.admission import Admission, Load, RejectedError, TimeLimits
from service.scheduling.backlog import Backlog
from service.scheduling.batch_buffer import BatchBuffer
from service.scheduling.cost_model import CostModel
from service.scheduling.expiry import Expiry, expired
from service.scheduling.streams import Streams
from service.scheduling.ticket import ExpiredError, Job, Ticket
from service.telemetry.logs import request_id

REFUSING_SECONDS = 1.0
PATIENCE_SECONDS = 1.0  # until work for an idle stream runs all the same, because the server is never idle
POLL_SECONDS = 0.02  # between two looks for a stream that no image needs
Result = TypeVar("Result")


class Batcher:
    """The queue of one engine and the threads that run it.

    Any thread may call `submit`, `fail`, `depth` and `longest_overdue_seconds`; one event loop calls the other methods.

    The steps of an image: `reserve` accepts it and returns a ticket; `submit` queues the ticket when the image may join
    a batch; `answer` waits for the result of the job's `finish`.

    A batch has at most `max_batch` images, and fewer if a larger one does not pay. `batch_sizes` are the sizes that the
    engine runs, None for any. Two spare threads keep a device busy: one assembles and one finishes answers while a
    batch runs. If the streams occupy all cores, `num_spare_threads` should be 0: spare threads would compete with the
    streams. `on_batch` is called after each batch with its size and its seconds.
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
        self._num_threads = num_streams + num_spare_threads
        self._max_batch = max_batch
        self._batch_sizes = batch_sizes
        self._max_queue = max_queue
        self._on_batch = on_batch
        self._numbers = itertools.count()
        self._admission = Admission(cost, max_queue)  # used on the event loop only, as the next one
        self._expiry = Expiry()
        self._lock = threading.Lock()  # guards all below; public attributes and _limit may be read without it
        self._assembler_wakes = threading.Condition(self._lock)  # the assembler waits here
        self._assembler_wanted = threading.Condition(self._lock)  # idle threads wait here to become the assembler
        self._stream_freed = threading.Condition(self._lock)
        self._has_assembler = False
        self._backlog = Backlog()
        self._streams = Streams(num_streams)
        self._limit = cost.best_size(max_batch)  # images in a batch, at the present costs
        self._is_closing = False
        self.failures_in_a_row = 0  # batches that have failed since the last one that succeeded
        self.is_device_lost = False

    def start(self) -> None:
        """Start the threads: one for each stream, and the spare ones."""
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._work, name=f"engine-{number}", daemon=True)
            for number in range(self._num_threads)
        ]
        for thread in self._threads:
            thread.start()

    async def close(self, timeout_seconds: float) -> None:
        """Accept no more images, answer the accepted ones, and stop; leave a stuck engine behind after the timeout."""
        with self._lock:
            self._is_closing = True
            self._assembler_wanted.notify_all()
        give_up_at = time.monotonic() + timeout_seconds
        for thread in self._threads:
            await asyncio.to_thread(thread.join, max(0.0, give_up_at - time.monotonic()))

    @property
    def depth(self) -> int:
        """Images that wait for the engine."""
        with self._lock:
            return self._backlog.depth

    @property
    def image_seconds(self) -> float:
        """The time of a batch of one image."""
        return self._cost.seconds(1)

    def longest_overdue_seconds(self) -> float:
        """By how much the slowest running batch exceeds its prediction; negative while all are in time."""
        with self._lock:
            return self._streams.longest_overdue_seconds(time.monotonic())

    def finish_seconds(self) -> float:
        """Seconds until the answer to an image that arrives now, behind all others."""
        with self._lock:
            return self._admission.predict(self._load(math.inf, time.monotonic()))

    def check(self, objective: float, num_images: int = 1, ready_seconds: float = 0.0) -> None:
        """Raise RejectedError if so many images with this objective (time.monotonic()), of which the last is decoded in
        `ready_seconds`, should be refused together.
        """
        now = time.monotonic()
        if num_images == 1:
            self._admission.check_again(now=now, objective=objective)
        with self._lock:
            load = self._load(objective, now)
            self._admission.check(
                load, now=now, objective=objective, ready_seconds=ready_seconds, num_images=num_images
            )

    @property
    def is_refusing(self) -> bool:
        """Whether it pays to ask before a body is read: an image was refused within the last second, or soon will be
        because half of the queue is taken.

        It does not wait for the lock: a number that changes meanwhile does no harm.
        """
        refused_seconds = time.monotonic() - self._admission.refused_at
        return refused_seconds < REFUSING_SECONDS or 2 * self._backlog.depth >= self._max_queue

    @contextmanager
    def reserve(
        self,
        job: Job,
        limits: TimeLimits,
        ready_seconds: float = 0.0,
        *,
        is_checked: bool = False,
        is_large: bool = False,
    ) -> Iterator[Ticket]:
        """Accept a job that will be decoded in `ready_seconds` -> its ticket. Without an answer, it is removed at exit.

        A job that `is_large` takes long to decode, and says nothing about the others. Raises RejectedError at once if
        the queue is full or the answer would be late, unless the job `is_checked`.
        """
        now = time.monotonic()
        with self._lock:
            if self._is_closing:
                raise RejectedError("closing", "the model is being closed", 0.0)
            load = self._load(limits.objective, now)
            if not is_checked:
                self._admission.check(load, now=now, objective=limits.objective, ready_seconds=ready_seconds)
            predicted, objective = self._admission.place(load, limits, now=now, ready_seconds=ready_seconds)
            due, number, result = now + ready_seconds, next(self._numbers), self._loop.create_future()
            ticket = Ticket(job, objective, limits.deadline, number, due, predicted, result, request_id.get())
            self._backlog.expected.add(ticket)
        self._expiry.add(ticket, now)
        flow = None if is_large else self._admission.flow
        if flow:
            flow.enter()
        try:
            yield ticket
        finally:
            if flow:
                flow.leave(time.monotonic(), is_answered=ticket.is_answered)
            self._expiry.remove(ticket)
            if not ticket.result.cancel() and not ticket.result.cancelled():
                ticket.result.exception()  # an error that no request awaits any more must not be logged as unhandled
            with self._lock:
                if self._backlog.forget(ticket):
                    self._assembler_wakes.notify()  # it may be holding a batch for this image
                    if self._is_closing:
                        self._assembler_wanted.notify_all()

    def submit(self, *tickets: Ticket) -> None:
        """Queue the tickets for the next batches; called from any thread.

        If a job is not decoded, the stream that runs the batch decodes it; if that fails, only its ticket fails.
        """
        with self._lock:
            for ticket in tickets:
                # a ticket whose client has disconnected is not queued; an undecoded job waits until a stream is free
                if self._backlog.submit(ticket) and (self._streams.num_free or ticket.job.is_decoded):
                    (self._assembler_wakes if self._has_assembler else self._assembler_wanted).notify()

    def fail(self, ticket: Ticket, error: Exception) -> None:
        """End the ticket before it was submitted: `answer` raises this error. Called from any thread."""
        self._loop.call_soon_threadsafe(results.deliver, {ticket: error})

    async def answer(self, ticket: Ticket) -> Any:
        """The value that the job's `finish` returned.

        Raises ExpiredError at the deadline, BatchFailedError if the engine raised an error, and the errors of `decode`,
        `finish` and `fail`.
        """
        asked = time.monotonic()
        try:
            result = await ticket.result
        except ExpiredError:
            self._admission.learn(ticket.predicted, self._limit, time.monotonic())
            raise
        now = time.monotonic()
        self._admission.learn(ticket.predicted, self._limit, now)
        if now > ticket.deadline:  # the event loop was late itself
            raise expired(ticket.deadline - asked)
        return result

    def run_when_idle(
        self, work: Callable[[], Result], num_images: int, *, patience_seconds: float = PATIENCE_SECONDS
    ) -> Result | None:
        """Run `work`, which takes about as long as `num_images`, on a stream that no image needs -> what it returns.

        After the patience it runs on the next free stream. None if the batcher is closed before. Called from any
        thread.
        """
        give_up_at = time.monotonic() + patience_seconds
        with self._lock:
            while not self._is_closing and (
                not self._streams.num_free or (self._backlog.num_waiting and time.monotonic() < give_up_at)
            ):
                self._stream_freed.wait(POLL_SECONDS)
            if self._is_closing:
                return None
            self._streams.occupy(time.monotonic(), num_images * self._cost.seconds(1))
        try:
            return work()
        finally:
            with self._lock:
                self._release_stream()

    def add_size(self, size: int, num_images: float) -> None:
        """Learn that a batch of `size` takes as long as `num_images` batches of one image; called from any thread."""
        with self._lock:
            self._cost.add(size, num_images)
            self._limit = self._cost.best_size(self._max_batch)

    def _release_stream(self) -> None:
        """The calling thread has used its stream; wake a thread that waits for one."""
        self._streams.release()
        self._stream_freed.notify()
        if self._has_assembler:
            self._assembler_wakes.notify()
        elif self._backlog.queue:
            self._assembler_wanted.notify()

    def _load(self, objective: float, now: float) -> Load:
        """The load that a new image with this objective finds."""
        num_ahead = self._backlog.num_ahead(objective)
        free_in = self._streams.free_in(now)
        return Load(self._backlog.num_waiting, num_ahead, self._streams.num_busy, free_in, self._limit)

    def _work(self) -> None:
        """The life of a thread."""
        buffer = BatchBuffer(self._max_batch, self._batch_sizes)
        while self._become_assembler(buffer):
            try:
                is_ready = self._assemble(buffer)
            except Exception as error:  # for example, there is no memory for the pixels
                self._give_up(buffer, error)
            else:
                if is_ready:
                    self._run(buffer)

    def _become_assembler(self, buffer: BatchBuffer) -> bool:
        """Wait until there are tickets to assemble and no assembler -> False if the batcher closes instead."""
        with self._lock:
            while self._has_assembler or not self._backlog.queue:
                if self._is_closing and not (self._has_assembler or self._backlog.expected):
                    self._assembler_wanted.notify_all()  # the other threads end too
                    return False
                self._assembler_wanted.wait()
            self._has_assembler = True
            self._backlog.buffer = buffer
            return True

    def _assemble(self, buffer: BatchBuffer) -> bool:
        """Fill the buffer until a stream is free for the batch -> whether there is a batch to run."""
        held_since: float | None = None
        with self._lock:
            was_idle = self._streams.num_free > 0
        while True:
            with self._lock:
                now = time.monotonic()
                buffer.keep(policy.worth_running(buffer.tickets, now, self._cost.seconds(1)))
                moved = buffer.take(self._backlog.queue, self._limit)
                if not moved:
                    if not buffer.tickets:
                        self._hand_over()
                        return False
                    start_at = math.inf
                    if self._streams.num_free:
                        held_since = held_since or now
                        start_at = self._hold_until(buffer, held_since) if was_idle else now
                    if start_at <= now:
                        self._begin_run(buffer, now)
                        return True
                    self._assembler_wakes.wait(None if start_at == math.inf else start_at - now)
            buffer.copy(moved)

    def _hold_until(self, buffer: BatchBuffer, held_since: float) -> float:
        return policy.hold_until(
            buffer.tickets,
            held_since=held_since,
            next_due=self._backlog.next_due,
            limit=self._limit,
            num_free_streams=self._streams.num_free,
            cost=self._cost,
        )

    def _begin_run(self, buffer: BatchBuffer, now: float) -> None:
        """Occupy a stream with as many tickets as pay, put the others back, and let another thread assemble."""
        free_in = self._streams.free_in(now)
        free_in.remove(0.0)  # this stream's own
        by_urgency = sorted(buffer.tickets)
        size = policy.batch_size(
            by_urgency, len(self._backlog.queue), now=now, limit=self._limit, others_free_in=free_in, cost=self._cost
        )
        self._backlog.put_back(by_urgency[size:])
        buffer.keep(set(by_urgency[:size]))
        self._streams.occupy(now, self._cost.seconds(size))
        self._hand_over()

    def _hand_over(self) -> None:
        """Stop being the assembler; another thread takes over if a ticket is queued."""
        self._backlog.buffer = None
        self._has_assembler = False
        if self._backlog.queue:
            self._assembler_wanted.notify()

    def _give_up(self, buffer: BatchBuffer, error: Exception) -> None:
        """The batch cannot be assembled: its tickets get the error, and later batches are not affected."""
        failure = results.batch_failure(buffer.tickets, error)
        failed = dict.fromkeys(buffer.tickets, failure)
        buffer.clear()
        with self._lock:
            self.failures_in_a_row += 1
            self._hand_over()
        self._loop.call_soon_threadsafe(results.deliver, failed)

    def _run(self, buffer: BatchBuffer) -> None:
        """Run the batch on the stream that was occupied for it, free the stream, and finish the answers."""
        batch = results.run_batch(self._engine, buffer)
        size = len(batch.tickets)
        with self._lock:
            if batch.failure is not None:
                self.failures_in_a_row += 1
                self.is_device_lost |= batch.is_device_lost
            elif size:  # a batch with only broken images says nothing about the engine
                self.failures_in_a_row = 0
                self._cost.observe(size, batch.infer_seconds, batch.decode_seconds)
                self._limit = self._cost.best_size(self._max_batch)
            self._release_stream()
        if size:
            self._on_batch(size, batch.infer_seconds)
        self._loop.call_soon_threadsafe(results.deliver, batch.finish())
