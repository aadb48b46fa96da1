"""The thread that draws the pictures of `format=image`."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from service.scheduling.admission import RejectedError
from service.scheduling.ticket import ExpiredError

T = TypeVar("T")
MAX_DRAWINGS = 16  # being drawn or waiting: a drawing of the largest image takes about a second
NEW_SHARE = 0.2  # of the last drawing's time in the running mean


class DrawingThread:
    """Draws one picture at a time, so that drawings take a share of the cores that does not grow with their number.

    The thread has the usual priority. With a lower one it would lose its core while it holds Python's interpreter lock,
    and the event loop would wait for it: for up to 1.2 s at niceness 19, on two cores that the engine keeps busy.

    One event loop calls the methods.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="draw")
        self._num_drawings = 0
        self._mean_seconds = 0.0

    async def run(self, draw: Callable[[Callable[[], None]], T], deadline: float) -> T:
        """The result of `draw(check)`; it should call `check` often, which raises an error if nobody waits any more.

        Raises RejectedError if there are too many drawings, and ExpiredError at the deadline (time.monotonic()).
        """
        if self._num_drawings >= MAX_DRAWINGS:
            raise RejectedError("drawings", f"{self._num_drawings} pictures are being drawn", self._mean_seconds)
        seconds = deadline - time.monotonic()
        is_abandoned = threading.Event()

        def check() -> None:
            if is_abandoned.is_set() or time.monotonic() > deadline:
                raise ExpiredError(f"no picture within {seconds:.3g} s")

        def work() -> T:
            check()
            start = time.monotonic()
            picture = draw(check)
            self._mean_seconds += NEW_SHARE * (time.monotonic() - start - self._mean_seconds)
            return picture

        self._num_drawings += 1
        future = self._threads.submit(work)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise ExpiredError(f"no picture within {seconds:.3g} s") from None
        finally:
            is_abandoned.set()
            self._num_drawings -= 1

    def close(self) -> None:
        """Wait for the thread to end."""
        self._threads.shutdown(cancel_futures=True)
