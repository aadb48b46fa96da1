"""Tells on standard error what is measured, and how long the rest takes."""

import sys
import time
from collections.abc import Callable


class Progress:
    """Counts the turns. `later` are those after the present load."""

    def __init__(self, seconds_a_turn: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.later = 0
        self._seconds_a_turn = seconds_a_turn  # a guess, until the first turn is over
        self._clock = clock
        self._start: float | None = None
        self._num_done = 0

    def turn(self, what: str, num_left: int) -> str:
        """Print what is measured now; `num_left` are the turns of the present load, with this one."""
        if self._start is None:
            self._start = self._clock()
        elif self._num_done:
            self._seconds_a_turn = (self._clock() - self._start) / self._num_done
        self._num_done += 1
        left = num_left + self.later
        seconds = left * self._seconds_a_turn
        rest = f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
        text = f"{what}; turns left: {left}, about {rest}"
        print(text, file=sys.stderr, flush=True)
        return text
