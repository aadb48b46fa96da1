"""How late the event loop is, and how late it would be with more requests."""

import asyncio
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.01
CALM_INTERVAL_SECONDS = 0.04  # after a lag of less than CALM_SECONDS: on a CPU a timer wakes a core that computes
CALM_SECONDS = 0.002
NEW_SHARE = 0.1  # weight of a new measurement: a change is learnt within some ten turns of a busy loop
HALF_LIFE_SECONDS = 0.7  # of the estimate while there are few requests
MIN_REQUESTS = 12  # with fewer in the server, the lag has another cause, and nothing is learnt from it
MAX_SECONDS_EACH = 0.001  # that one request adds to the lag: it takes 0.3 ms on a slow core


class LoopLag:
    """Measures the lag of an event loop by a timer: a loop with much to do calls it late.

    A busy loop does a part of the work on each request in each of its turns, so its lag grows with their number. The
    lag that will follow from requests that the loop has just read is therefore known before it is there. A loop with
    few requests has no timer.
    """

    def __init__(self) -> None:
        self._seconds_each = 0.0
        self._quiet_since = 0.0  # when the timer ended (time.monotonic())
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.num_held = 0  # requests whose refusal is held back: they give the loop nothing to do
        self.count_requests: Callable[[], int] = lambda: 0  # in the server; set by the process that serves

    def start(self) -> None:
        """Measure the running loop from now on."""
        self._loop = asyncio.get_running_loop()

    def stop(self) -> None:
        """Measure no more."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()

    def predict(self) -> float:
        """Seconds by which the loop will be late with the present requests; 0 if there are few."""
        num_requests = self._num_active
        if num_requests < MIN_REQUESTS:
            return 0.0
        if self._timer is None and self._loop is not None:
            now = time.monotonic()
            self.forget(now - self._quiet_since)
            self._set_timer(now, INTERVAL_SECONDS)
        return num_requests * self._seconds_each

    def learn(self, lag_seconds: float, num_requests: int) -> None:
        """Learn from one turn with several requests."""
        seconds_each = min(lag_seconds / num_requests, MAX_SECONDS_EACH)
        self._seconds_each += NEW_SHARE * (seconds_each - self._seconds_each)

    def forget(self, seconds: float) -> None:
        """Forget during a quiet time, because an old estimate would refuse the next burst."""
        self._seconds_each *= 0.5 ** (seconds / HALF_LIFE_SECONDS)

    @property
    def _num_active(self) -> int:
        """The requests that give the loop something to do."""
        return self.count_requests() - self.num_held

    def _set_timer(self, now: float, seconds: float) -> None:
        if self._loop is not None:
            self._timer = self._loop.call_later(seconds, self._tick, now + seconds)

    def _tick(self, due: float) -> None:
        self._timer = None
        now = self._quiet_since = time.monotonic()
        num_requests = self._num_active
        if num_requests >= MIN_REQUESTS:
            lag_seconds = max(0.0, now - due)
            self.learn(lag_seconds, num_requests)
            self._set_timer(now, CALM_INTERVAL_SECONDS if lag_seconds < CALM_SECONDS else INTERVAL_SECONDS)
