"""Medians of times, on the GPU and on the host."""

import statistics
import time
from collections.abc import Callable, Sequence

import torch

NUM_ROUNDS = 7


def gpu_microseconds(functions: Sequence[Callable[[], object]], repeats: int = 48) -> float:
    """The time of one call on the GPU, without launching: the functions run in turn in a CUDA graph."""
    for function in functions:
        function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for number in range(repeats):
            functions[number % len(functions)]()
    graph.replay()
    return 1e3 * gpu_milliseconds(graph.replay, NUM_ROUNDS) / repeats


def gpu_milliseconds(function: Callable[[], object], rounds: int = 20) -> float:
    """The median time of a call, from the start of its work on the GPU to the end."""
    times = []
    for _ in range(rounds):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        start.record()
        function()
        end.record()
        end.synchronize()
        times.append(float(start.elapsed_time(end)))
    return statistics.median(times)


def host_milliseconds(function: Callable[[], object], rounds: int = 30) -> float:
    """The median time of a call by the clock, after three calls that do not count."""
    for _ in range(min(3, rounds)):
        function()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)
