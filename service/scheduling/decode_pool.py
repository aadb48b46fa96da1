"""The threads that decode images, and the predicted wait for them."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
NEW_SHARE = 0.1  # of each new measurement in the running mean


class DecodePool:
    """Decodes images in threads. It predicts the time of an image from the bytes of its file, before it is parsed."""

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="decode")
        self._lock = threading.Lock()  # guards the two below
        self._seconds_a_byte = 0.0
        self._backlog_bytes = 0

    def ready_seconds(self, num_bytes: int) -> float:
        """Seconds until an image file of `num_bytes` that arrives now is decoded, behind the waiting files."""
        return self._seconds_a_byte * (self._backlog_bytes / self._num_threads + num_bytes)

    def seconds(self, num_bytes: int) -> float:
        """The time to decode an image file of `num_bytes`; 0 before the first file is decoded."""
        return self._seconds_a_byte * num_bytes

    def start(self, num_bytes: int, work: Callable[[], T]) -> Future[T]:
        """Run `work` on a file of `num_bytes` in a thread; 0 if it decodes no image. The future can be cancelled."""
        with self._lock:
            self._backlog_bytes += num_bytes
        future = self._threads.submit(work)
        future.add_done_callback(lambda _: self._leave(num_bytes))
        return future

    async def run(self, num_bytes: int, work: Callable[[], T]) -> T:
        """Run `work` in a thread, learn from its time, and wait for it."""
        return await asyncio.wrap_future(self.start(num_bytes, lambda: self.timed(num_bytes, work)))

    def close(self) -> None:
        """Wait for the threads to end."""
        self._threads.shutdown()

    def timed(self, num_bytes: int, work: Callable[[], T]) -> T:
        """Run `work` in the calling thread, and learn from it how long decoding takes."""
        start = time.perf_counter()
        result = work()
        if num_bytes:
            seconds = (time.perf_counter() - start) / num_bytes
            with self._lock:
                share = NEW_SHARE if self._seconds_a_byte else 1.0
                self._seconds_a_byte += share * (seconds - self._seconds_a_byte)
        return result

    def _leave(self, num_bytes: int) -> None:
        with self._lock:
            self._backlog_bytes -= num_bytes
