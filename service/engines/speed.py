"""Compares the speed of calls, such as those of an engine, on a machine that has other work."""

import time
from collections.abc import Callable, Sequence

import numpy as np


def fastest_seconds(runs: Sequence[Callable[[], object]], num_rounds: int) -> list[float]:
    """The time of the fastest call of each of `runs`, which take turns: other work on the machine delays single calls.

    Each is called once before, because the first call is slow.
    """
    for run in runs:
        run()
    rounds = [[seconds_of(run) for run in runs] for _ in range(num_rounds)]
    fastest: list[float] = np.min(rounds, axis=0).tolist()
    return fastest


def seconds_of(run: Callable[[], object]) -> float:
    """The time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
