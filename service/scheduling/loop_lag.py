"""How late the event loop is, and how late it would be with more requests."""

import asyncio
import math
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.01
NEW_SHARE = 0.1  # weight of a new measurement: a change is learnt within some ten turns of a busy loop
MIN_REQUESTS = 25  # with fewer in the server, the lag has another cause, and nothing is learnt from it
MAX_SECONDS_EACH = 0.001  # that one request adds to the lag: it takes 0.3 ms on a slow core


class LoopLag:
    """Measures the lag of an event loop by a timer: a loop with much to do calls it late.

    A busy loop does a part of the work on each request in each of its turns, so its lag grows with their number. The
    lag that will follow from requests that the loop has just read is therefore known before it is there.
    """

    def __init__(self) -> None:
        self._due = math.inf  # of the next call (time.monotonic())
        self._seconds_each = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.count_requests: Callable[[], int] = lambda: 0  # in the server; set by the process that serves

    def start(self) -> None:
        """Measure the running loop."""
        self._due = time.monotonic() + INTERVAL_SECONDS
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._tick)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._due = math.inf

    def predict(self) -> float:
        """Seconds by which the loop will be late with the present requests; 0 if there are few."""
        num_requests = self.count_requests()
        if num_requests < MIN_REQUESTS:
            return 0.0
        return max(num_requests * self._seconds_each, time.monotonic() - self._due)

    def learn(self, lag_seconds: float, num_requests: int) -> None:
        """Learn from one turn."""
        if num_requests >= MIN_REQUESTS:
            seconds_each = min(lag_seconds / num_requests, MAX_SECONDS_EACH)
            self._seconds_each += NEW_SHARE * (seconds_each - self._seconds_each)

    def _tick(self) -> None:
        self.learn(max(0.0, time.monotonic() - self._due), self.count_requests())
        self.start()
