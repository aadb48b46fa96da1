"""Several servers on this machine, and a load that is shared among them."""

import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from comparison.loads import open_loop
from comparison.processes import started
from comparison.running import free_port
from service.benchmark.__main__ import fetch_metrics
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Samples, Target
from service.benchmark.report import Run, line_of, run_of
from service.engines.protocol import EngineName

SendLoad = Callable[[float, float, int], Run]


def cpu_engine() -> EngineName:
    """The engine that serves on a CPU."""
    return "openvino" if find_spec("openvino") else "onnx"


@contextmanager
def servers(number: int, bundle: Path, engine: EngineName, environment: Mapping[str, str]) -> Iterator[list[Target]]:
    """Start that many servers at once, and stop them at the end; raises PeerError."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    variables = {"SINGLESHOT_DRAIN_GRACE_SECONDS": "0", "SINGLESHOT_ENGINE_BUILD": "false", **environment}

    def start(port: int) -> Target:
        command = [sys.executable, "-m", "service", "--bundle", str(bundle), "--engine", engine, "--port", str(port)]
        probe = urllib.request.Request(f"http://127.0.0.1:{port}/readyz")
        stack.enter_context(started(command, variables, probe))
        return Target("127.0.0.1", port, "/detect")

    with ExitStack() as stack:
        with ThreadPoolExecutor(number) as pool:
            targets = list(pool.map(start, ports))
        yield targets


@contextmanager
def shared_load(targets: Sequence[Target], images: Sequence[bytes], objective_seconds: float) -> Iterator[SendLoad]:
    """Yields a function (rate, seconds, number) -> Run, which sends a load to the first `number` targets.

    Each target gets the same share of the rate from a process of its own, Poisson and so as if chosen at random.
    """
    context = get_context("spawn")
    barrier = context.Barrier(len(targets) + 1)
    headers = {"Content-Type": "image/jpeg", "X-Request-Timeout-Ms": f"{1000 * objective_seconds:.0f}"}
    requests = [[target.post(image, headers) for image in images] for target in targets]
    with context.Pool(len(targets), barrier.wait) as pool:
        barrier.wait()  # every process has started

        def send(rate: float, seconds: float, number: int) -> Run:
            seeds = range(number)
            times = [arrival_times("poisson", rate / number, seconds, burst=1, seed=seed) for seed in seeds]
            before = total_metrics(targets[:number])
            jobs = list(zip(targets[:number], requests[:number], times, strict=True))
            samples = joined(pool.starmap(open_loop, jobs, chunksize=1))
            run = run_of(samples, rate, seconds, objective_seconds, before, total_metrics(targets[:number]))
            print(line_of(run), flush=True)
            return run

        yield send


def total_metrics(targets: Sequence[Target]) -> dict[str, float]:
    """The metrics of all servers, added."""
    total: Counter[str] = Counter()
    for target in targets:
        total.update(fetch_metrics(f"http://{target.host}:{target.port}/metrics"))
    return dict(total)


def joined(parts: Sequence[Samples]) -> Samples:
    """The samples of several loads as those of one."""

    def join(arrays: Iterator[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.concatenate(list(arrays))

    return Samples(
        join(part.intended for part in parts),
        join(part.sent for part in parts),
        join(part.done for part in parts),
        np.concatenate([part.status for part in parts]),
    )
