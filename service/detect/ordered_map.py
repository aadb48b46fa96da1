"""Runs a function on many items in threads, a bounded number ahead, with the results in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
AHEAD = 2  # items that wait for each thread: a slow item does not stop the other threads at once


def ordered_map(
    function: Callable[[T], R],
    items: Iterator[T],
    num_threads: int,
    *,
    weight: Callable[[T], int] = lambda _: 0,
    max_weight: int = 0,
) -> Iterator[R]:
    """The results of `function` for each item, in order; the caller's thread takes the items.

    No further item is taken while those that are not done or not returned weigh more than `max_weight` together. An
    error of the function is raised in its place. If the caller ends early, no further item is begun.
    """
    threads = ThreadPoolExecutor(num_threads, thread_name_prefix="detect")
    running: deque[tuple[int, Future[R]]] = deque()
    total = 0
    try:
        for item in items:
            running.append((weight(item), threads.submit(function, item)))
            total += running[-1][0]
            while len(running) > (1 + AHEAD) * num_threads or (running and total > max_weight):
                own, future = running.popleft()
                total -= own
                yield future.result()
        while running:
            yield running.popleft()[1].result()
    finally:
        threads.shutdown(cancel_futures=True)
