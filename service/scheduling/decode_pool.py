"""The threads that decode images, and the predicted time of decoding."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
NEW_SHARE = 0.1  # weight of a new measurement in the estimate, once ten images are decoded
MAX_SURPRISE = 4.0  # a measurement counts as at most this many times the estimate, and as at least its inverse
FIRST_SECONDS = 1e-8  # the estimate for a pixel of work before the first image is decoded
BASE_WORK = 20_000  # the fixed work on an image, in pixels
LARGE_SECONDS = 0.1  # an image that takes longer is large


class DecodePool:
    """Decodes images in threads. It predicts the time of an image from its work, which is `ImageHeader.work`: the
    pixels of a baseline JPEG that takes as long.

    Large images have threads of their own, so that small ones do not wait for them: one thread less than the small
    ones, and at least one. The threads have the usual priority. With a lower one they would lose their core while they
    hold Python's interpreter lock, and all others would wait for them: ordinary requests then took three times as long.
    """

    def __init__(self, num_threads: int) -> None:
        self._lock = threading.Lock()  # guards the backlogs
        self._seconds_a_pixel = FIRST_SECONDS
        self._num_decoded = 0
        self._small = Lane(num_threads, "decode")
        self._large = Lane(max(1, num_threads - 1), "decode-large")

    def seconds(self, work: int) -> float:
        """The time to decode an image of this work."""
        return self._seconds_a_pixel * (work + BASE_WORK)

    def ready_seconds(self, work: int) -> float:
        """Seconds until an image of this work that arrives now is decoded, behind those that wait for its threads."""
        lane = self._lane(work)
        return self.seconds(work) + self._seconds_a_pixel * lane.backlog / lane.num_threads

    def is_large(self, work: int) -> bool:
        """Whether an image of this work goes to the threads for large images."""
        return self.seconds(work) > LARGE_SECONDS

    def start(self, work: int, task: Callable[[], T]) -> Future[T]:
        """Run `task` in a thread; 0 `work` if it decodes no image. The future can be cancelled until a thread is free.

        The pool learns nothing from it; `timed` does.
        """
        lane, cost = self._lane(work), work + BASE_WORK if work else 0
        with self._lock:
            lane.backlog += cost
        future = lane.threads.submit(task)
        future.add_done_callback(lambda _: self._leave(lane, cost))
        return future

    async def run(self, work: int, task: Callable[[], T]) -> T:
        """`start` and wait for the result."""
        return await asyncio.wrap_future(self.start(work, task))

    def close(self) -> None:
        """Wait for the threads to end."""
        self._small.threads.shutdown()
        self._large.threads.shutdown()

    def timed(self, work: int, decode: Callable[[], T]) -> T:
        """Decode an image in the calling thread, and learn from the CPU time of the thread.

        The time that the thread waits for a core says nothing about the image.
        """
        start = time.thread_time()
        result = decode()
        self.learn(work, time.thread_time() - start)
        return result

    def learn(self, work: int, seconds: float) -> None:
        """Learn from an image of this work that was decoded in `seconds`.

        The estimate is a geometric mean, so that an image that takes far more or far less than predicted moves it by a
        bounded factor, and as much up as down.
        """
        self._num_decoded += 1  # without the lock: if two threads learn at once, the loss of one does no harm
        share = max(NEW_SHARE, 1 / (self._num_decoded + 1))
        surprise = min(MAX_SURPRISE, max(1 / MAX_SURPRISE, seconds / self.seconds(work)))
        self._seconds_a_pixel *= surprise**share

    def _lane(self, work: int) -> "Lane":
        return self._large if self.is_large(work) else self._small

    def _leave(self, lane: "Lane", cost: int) -> None:
        with self._lock:
            lane.backlog -= cost


class Lane:
    """Threads, and the work of the images that wait for them or that they decode, with the fixed work on each."""

    def __init__(self, num_threads: int, name: str) -> None:
        self.num_threads = num_threads
        self.threads = ThreadPoolExecutor(num_threads, thread_name_prefix=name)
        self.backlog = 0
