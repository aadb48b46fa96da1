"""The streams of an engine: how many are busy, and until when."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """A batch on a stream: its start and its predicted end (time.monotonic())."""

    start: float
    predicted_end: float


class Streams:
    """Each busy stream belongs to the thread that runs its batch.

    Not safe for threads: its batcher guards it with a lock.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._runs: dict[int, Run] = {}  # by thread

    @property
    def num_busy(self) -> int:
        """Streams that run a batch."""
        return len(self._runs)

    @property
    def num_free(self) -> int:
        """Streams that run no batch."""
        return self._count - len(self._runs)

    def occupy(self, now: float, seconds: float) -> None:
        """The calling thread runs a batch on a free stream, predicted to take `seconds`."""
        self._runs[threading.get_ident()] = Run(now, now + seconds)

    def release(self) -> None:
        """The calling thread's batch has ended."""
        del self._runs[threading.get_ident()]

    def free_in(self, now: float) -> list[float]:
        """Predicted seconds until each stream is free; 0 for a free one and for one whose batch is overdue."""
        return [max(0.0, run.predicted_end - now) for run in self._runs.values()] + [0.0] * self.num_free

    def longest_overdue_seconds(self, now: float) -> float:
        """By how much the slowest running batch exceeds its prediction; negative while all are in time."""
        return max((now - run.predicted_end for run in self._runs.values()), default=-1.0)
