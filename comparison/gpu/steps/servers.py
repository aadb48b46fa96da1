"""The server at rising rates: 1, 2, 4 and 8 processes on one GPU; on the CPU one and two for some seconds."""

from dataclasses import dataclass
from pathlib import Path

from comparison.gpu.machine import GpuLoad
from comparison.gpu.server_load import cpu_engine, servers, shared_load
from comparison.gpu.step import Findings, Options, check
from comparison.gpu.steps.tensorrt import built_bundle
from service.benchmark.__main__ import read_images
from service.benchmark.report import Run
from service.engines.protocol import EngineName

ENOUGH = 0.9  # if a smaller share of the answers is in time, no higher rate follows
GOOD_STATUSES = {"200", "503", "504", "lost"}  # an overload gives the last three


@dataclass(frozen=True)
class Loads:
    """The numbers of processes, the requests a second for each process, the seconds of a rate, and the objective."""

    num_processes: tuple[int, ...]
    rates: tuple[float, ...]
    seconds: float
    objective_seconds: float


ON_GPU = Loads((1, 2, 4, 8), (200, 400, 600, 800), 3.5, 0.1)
ON_CPU = Loads((1, 2), (10,), 2.0, 1.0)


def run(options: Options, findings: Findings) -> None:
    """Start all processes, then measure the first one, the first two and so on: an idle process costs little."""
    loads = ON_CPU if options.is_cpu else ON_GPU
    bundle, engine = choose(options)
    findings.figure(f"engine {engine}")
    environment = {"SINGLESHOT_ENGINE_STREAMS": "1"} if options.is_cpu else {}
    most = max(loads.num_processes)
    best = 0.0
    with (
        servers(most, bundle, engine, environment) as targets,
        shared_load(targets, read_images(options.images), loads.objective_seconds) as send,
    ):
        send(most * loads.rates[0], 1.0, most)  # warm-up
        for number in loads.num_processes:
            for rate in loads.rates:
                with GpuLoad(loads.seconds / 2) as load:
                    found = send(number * rate, loads.seconds, number)
                findings.row(f"Within {1000 * loads.objective_seconds:.0f} ms", row(number, found, load.busy_percent))
                check(found.statuses.keys() <= GOOD_STATUSES, f"answers with other statuses: {found.statuses}")
                best = max(best, found.goodput)
                if found.goodput_share < ENOUGH:
                    break
    check(best > 0, "no answer was in time")
    findings.figure(f"at most {best:.0f} answers a second in time")


def choose(options: Options) -> tuple[Path, EngineName]:
    """The bundle and the engine that serve."""
    if options.is_cpu:
        return options.bundle, cpu_engine()
    built = built_bundle(options)
    return (options.bundle, "onnx-cuda") if built is None else (built, "tensorrt")


def row(number: int, run: Run, busy_percent: float | None) -> dict[str, object]:
    """A row of the table."""
    cells: dict[str, object] = {
        "processes": number,
        "offered/s": f"{run.num_offered / run.seconds:.0f}",
        "answered/s": f"{run.throughput:.0f}",
        "in time/s": f"{run.goodput:.0f}",
        "p50, ms": f"{run.p50_ms:.1f}",
        "p99, ms": f"{run.p99_ms:.1f}",
        "mean batch": "–" if run.mean_batch is None else f"{run.mean_batch:.1f}",
        "CPU a request, ms": "–" if run.cpu_ms_a_request is None else f"{run.cpu_ms_a_request:.1f}",
    }
    return cells if busy_percent is None else {**cells, "GPU busy, %": f"{busy_percent:.0f}"}
