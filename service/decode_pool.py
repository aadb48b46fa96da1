"""The threads that decode images, and how long an image will wait for them."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
NEW_SHARE = 0.1  # of each new measurement in the running mean


class DecodePool:
    """`run` and `ready_seconds` belong to one event loop. An image's work is predicted from its bytes, known at once."""

    def __init__(self, num_threads: int) -> None:
        self._num_threads = num_threads
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="decode")
        self._seconds_a_byte = 0.0
        self._backlog_bytes = 0

    def ready_seconds(self, num_bytes: int) -> float:
        """When an image file of `num_bytes` would be decoded that came now, behind those that are being decoded."""
        return self._seconds_a_byte * (self._backlog_bytes / self._num_threads + num_bytes)

    async def run(self, num_bytes: int, decode: Callable[[], T]) -> T:
        """Run `decode` in a thread; it works on a file of `num_bytes`, 0 for what is no image."""
        self._backlog_bytes += num_bytes
        try:
            seconds, result = await asyncio.get_running_loop().run_in_executor(self._threads, _timed, decode)
        finally:
            self._backlog_bytes -= num_bytes
        if num_bytes:
            share = NEW_SHARE if self._seconds_a_byte else 1.0
            self._seconds_a_byte += share * (seconds / num_bytes - self._seconds_a_byte)
        return result

    def close(self) -> None:
        """Wait for the threads to end."""
        self._threads.shutdown()


def _timed(function: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result
