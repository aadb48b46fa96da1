"""The threads that decode images, and how long an image will wait for them."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
NEW_SHARE = 0.1  # of each new measurement in the running mean


class DecodePool:
    """An image's work is predicted from the bytes of its file, because they are known before anything is read of it."""

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="decode")
        self._lock = threading.Lock()  # guards the two below
        self._seconds_a_byte = 0.0
        self._backlog_bytes = 0

    def ready_seconds(self, num_bytes: int) -> float:
        """When an image file of `num_bytes` would be decoded that came now, behind those that are being decoded."""
        return self._seconds_a_byte * (self._backlog_bytes / self._num_threads + num_bytes)

    def seconds(self, num_bytes: int) -> float:
        """How long decoding an image file of `num_bytes` takes; 0 as long as none was seen."""
        return self._seconds_a_byte * num_bytes

    def start(self, num_bytes: int, decode: Callable[[], T]) -> Future[T]:
        """Run `decode` in a thread; it works on a file of `num_bytes`, 0 for what is no image. The future may be cancelled."""
        with self._lock:
            self._backlog_bytes += num_bytes
        work = self._threads.submit(self.timed, num_bytes, decode)
        work.add_done_callback(lambda _: self._leave(num_bytes))
        return work

    async def run(self, num_bytes: int, decode: Callable[[], T]) -> T:
        """Run `decode` in a thread and wait for it."""
        return await asyncio.wrap_future(self.start(num_bytes, decode))

    def close(self) -> None:
        """Wait for the threads to end."""
        self._threads.shutdown()

    def timed(self, num_bytes: int, decode: Callable[[], T]) -> T:
        """Run `decode` here and now, and learn from it how long decoding takes."""
        start = time.perf_counter()
        result = decode()
        if num_bytes:
            seconds = (time.perf_counter() - start) / num_bytes
            with self._lock:
                share = NEW_SHARE if self._seconds_a_byte else 1.0
                self._seconds_a_byte += share * (seconds - self._seconds_a_byte)
        return result

    def _leave(self, num_bytes: int) -> None:
        with self._lock:
            self._backlog_bytes -= num_bytes
