"""The server on the CPU with 1, 2, 4, 8 and 16 cores: its capacity in a closed loop, and latencies below it."""

import os
from collections.abc import Sequence
from contextlib import ExitStack

from comparison.binding import bound_to
from comparison.gpu.server_load import cpu_engine, servers
from comparison.gpu.step import Findings, Options, SkippedError, check
from comparison.loads import DEADLINE, OBJECTIVE_SECONDS, closed_loop, open_loop
from service.benchmark.__main__ import read_images
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Target
from service.benchmark.report import line_of, run_of

NUM_CORES = (1, 2, 4, 8, 16)
CONNECTIONS_A_CORE = 4
LOAD = 0.8  # of the capacity, for the latencies


def run(options: Options, findings: Findings) -> None:
    """Measure each number of cores that this machine has; with --cpu at most two."""
    if not hasattr(os, "sched_setaffinity"):
        raise SkippedError("needs Linux, where a process can be bound to cores")
    cores = sorted(os.sched_getaffinity(0))
    images = read_images(options.images)
    findings.figure(f"engine {cpu_engine()}")
    for count in NUM_CORES:
        if count > len(cores) or (options.is_cpu and count > 2):
            break
        with ExitStack() as stack:
            with bound_to(cores[:count]):  # the server inherits it
                (target,) = stack.enter_context(servers(1, options.bundle, cpu_engine(), {"CUDA_VISIBLE_DEVICES": ""}))
            with bound_to(cores[count:] or cores):
                row = measure(target, images, count, seconds=1.0 if options.is_cpu else 4.0)
        findings.row(f"Within {1000 * OBJECTIVE_SECONDS:.0f} ms; the client has the other cores, or shares all", row)


def measure(target: Target, images: Sequence[bytes], num_cores: int, seconds: float) -> dict[str, object]:
    """A row: the capacity, and the latencies at a part of it."""
    num_connections = CONNECTIONS_A_CORE * num_cores
    plain = [target.post(image, {}) for image in images]
    closed_loop(target, plain, 1.0, num_connections)  # warm-up
    capacity = closed_loop(target, plain, seconds, num_connections)
    check(capacity > 0, f"{num_cores} cores: no request was answered")
    times = arrival_times("poisson", LOAD * capacity, seconds, burst=1, seed=num_cores)
    samples = open_loop(target, [target.post(image, DEADLINE) for image in images], times)
    found = run_of(samples, LOAD * capacity, seconds, OBJECTIVE_SECONDS, {}, {})
    print(line_of(found), flush=True)
    return {
        "cores": num_cores,
        "capacity/s": f"{capacity:.0f}",
        "a core/s": f"{capacity / num_cores:.0f}",
        f"at {LOAD:.0%}: in time, %": f"{100 * found.goodput_share:.1f}",
        "p50, ms": f"{found.p50_ms:.1f}",
        "p99, ms": f"{found.p99_ms:.1f}",
    }
