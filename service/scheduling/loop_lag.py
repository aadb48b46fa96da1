"""How late the event loop is, and how late it would be with more requests."""

import asyncio
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.01
NEW_SHARE = 0.1  # weight of a new measurement: a change is learnt within some ten turns of a busy loop
KEPT_SHARE = 0.99  # of the estimate at each quiet measurement: it falls by half in 0.7 s
MIN_REQUESTS = 12  # with fewer in the server, the lag has another cause, and nothing is learnt from it
MAX_SECONDS_EACH = 0.001  # that one request adds to the lag: it takes 0.3 ms on a slow core


class LoopLag:
    """Measures the lag of an event loop by a timer: a loop with much to do calls it late.

    A busy loop does a part of the work on each request in each of its turns, so its lag grows with their number. The
    lag that will follow from requests that the loop has just read is therefore known before it is there.
    """

    def __init__(self) -> None:
        self._seconds_each = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.count_requests: Callable[[], int] = lambda: 0  # in the server; set by the process that serves

    def start(self) -> None:
        """Measure the running loop."""
        due = time.monotonic() + INTERVAL_SECONDS
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._tick, due)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def predict(self) -> float:
        """Seconds by which the loop will be late with the present requests; 0 if there are few."""
        num_requests = self.count_requests()
        return num_requests * self._seconds_each if num_requests >= MIN_REQUESTS else 0.0

    def learn(self, lag_seconds: float, num_requests: int) -> None:
        """Learn from one turn; an idle loop forgets, because an old estimate would refuse the next burst."""
        if num_requests < MIN_REQUESTS:
            self._seconds_each *= KEPT_SHARE
        else:
            seconds_each = min(lag_seconds / num_requests, MAX_SECONDS_EACH)
            self._seconds_each += NEW_SHARE * (seconds_each - self._seconds_each)

    def _tick(self, due: float) -> None:
        self.learn(max(0.0, time.monotonic() - due), self.count_requests())
        self.start()
