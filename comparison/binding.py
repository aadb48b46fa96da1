"""Binds servers and their client to processor cores."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def bound_to(cores: Sequence[int]) -> Iterator[None]:
    """This thread, and the processes that it starts, run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
