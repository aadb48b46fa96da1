"""Runs a function on many items in threads, a bounded number ahead, with the results in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2  # items that wait for each thread: a slow item does not stop the other threads at once


def ordered_map(function: Callable[[T], R], items: Iterator[T], num_threads: int) -> Iterator[R]:
    """The results of `function` for each item, in order; the caller's thread takes the items.

    An error of the function is raised in its place. If the caller ends early, no further item is begun.
    """
    threads = ThreadPoolExecutor(num_threads, thread_name_prefix="detect")
    running: deque[Future[R]] = deque()
    try:
        for item in items:
            running.append(threads.submit(function, item))
            if len(running) > (1 + AHEAD) * num_threads:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
