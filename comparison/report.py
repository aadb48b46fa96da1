"""The comparison's results: one row for each server and load, as Markdown tables, JSON and a plot."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from service.benchmark.http_load import LOST, Samples


@dataclass(frozen=True)
class Row:
    """One server under one load. Latencies are of answers with status 200, in ms from the intended send time."""

    server: str
    load: float  # share of the best capacity
    rate: float  # requests offered a second
    throughput: float  # answers with status 200 a second, until the last of them
    p50_ms: float | None  # None without any answer
    p99_ms: float | None
    goodput: float  # answers within the objective, a second
    goodput_share: float  # of what was offered
    statuses: Mapping[str, int]  # number of answers by status; `lost` counts requests without an answer
    cpu_ms_a_request: float | None  # of all the server's processes, for each answer with status 200


@dataclass(frozen=True)
class Standing:
    """The figures of a server that do not depend on the load."""

    server: str
    capacity: float  # answers a second in a closed loop
    idle_cpu_percent: float  # of one core
    memory_mb: float


@dataclass(frozen=True)
class Comparison:
    """Everything that was measured. `failures` gives the reason for each server that could not be measured."""

    objective_ms: float
    seconds: float
    loop_cpu_ms: Mapping[int, float]
    standings: Sequence[Standing]
    rows: Sequence[Row]
    failures: Mapping[str, str]


def row_of(
    server: str,
    load: float,
    rate: float,
    samples: Samples,
    *,
    seconds: float,
    objective_seconds: float,
    cpu_seconds: float,
) -> Row:
    """The figures of one run of `seconds`."""
    is_good = samples.status == 200
    latency = samples.latency[is_good]
    num_offered, num_good = len(samples.status), len(latency)
    p50, p99 = (1000 * np.percentile(latency, [50, 99])).tolist() if num_good else (None, None)
    num_in_time = int((latency <= objective_seconds).sum())
    statuses = sorted(Counter(samples.status.tolist()).items())
    return Row(
        server=server,
        load=load,
        rate=rate,
        throughput=num_good / max(seconds, float(samples.done[is_good].max())) if num_good else 0.0,
        p50_ms=p50,
        p99_ms=p99,
        goodput=num_in_time / seconds,
        goodput_share=num_in_time / max(1, num_offered),
        statuses={"lost" if status == LOST else str(status): number for status, number in statuses},
        cpu_ms_a_request=1000 * cpu_seconds / num_good if num_good else None,
    )


def overhead_of(comparison: Comparison, row: Row) -> float | None:
    """CPU time of a request divided by that of an image in the plain loop at batch 1; None if either is unknown."""
    cpu = row.cpu_ms_a_request
    return cpu / comparison.loop_cpu_ms[1] if cpu is not None and 1 in comparison.loop_cpu_ms else None


def to_markdown(comparison: Comparison) -> str:
    """A table of the servers, then a table for each load."""
    loop = ", ".join(f"{value:.2f} ms at batch {size}" for size, value in comparison.loop_cpu_ms.items())
    lines = [f"CPU for an image in a plain loop (decode, engine, soft-NMS, JSON): {loop}.", ""]
    lines += ["| server | capacity /s | idle CPU % of a core | memory MB |", "| --- | ---: | ---: | ---: |"]
    for standing in sorted(comparison.standings, key=lambda standing: -standing.capacity):
        idle, memory = standing.idle_cpu_percent, standing.memory_mb
        lines.append(f"| {standing.server} | {standing.capacity:.1f} | {idle:.1f} | {memory:.0f} |")
    for load in sorted({row.load for row in comparison.rows}):
        rows = [row for row in comparison.rows if row.load == load]
        lines += ["", f"{100 * load:.0f} % of the best capacity, {rows[0].rate:.1f} requests a second:", ""]
        lines.append(
            f"| server | answers /s | p50 ms | p99 ms | within {comparison.objective_ms:g} ms /s | of offered % "
            "| statuses | CPU ms a request | by loop |"
        )
        lines.append("| --- |" + " ---: |" * 8)
        for row in rows:
            figures = [f"{row.throughput:.1f}", _text(row.p50_ms, 1), _text(row.p99_ms, 1), f"{row.goodput:.1f}"]
            statuses = " ".join(f"{status}: {number}" for status, number in row.statuses.items())
            figures += [f"{100 * row.goodput_share:.1f}", statuses]
            figures += [_text(row.cpu_ms_a_request, 2), _text(overhead_of(comparison, row), 2)]
            lines.append(f"| {row.server} | {' | '.join(figures)} |")
    if comparison.failures:
        lines += ["", "Not measured:", ""]
        lines += [f"- {server}: {reason}" for server, reason in comparison.failures.items()]
    return "\n".join(lines) + "\n"


def to_json(comparison: Comparison) -> str:
    """All figures as JSON."""
    return json.dumps(asdict(comparison), indent=2) + "\n"


def draw(comparison: Comparison, path: Path) -> None:
    """Plot p50, p99 and goodput by load, with a line for each server, to the image file `path`."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(15, 4.5))
    columns = (("p50_ms", "p50, ms", "log"), ("p99_ms", "p99, ms", "log"), ("goodput", "in time, a second", "linear"))
    for axis, (column, title, scale) in zip(axes, columns, strict=True):
        for server in dict.fromkeys(row.server for row in comparison.rows):
            rows = [row for row in comparison.rows if row.server == server and getattr(row, column) is not None]
            rows.sort(key=lambda row: row.rate)
            axis.plot([row.rate for row in rows], [getattr(row, column) for row in rows], marker="o", label=server)
        axis.set(title=title, xlabel="requests offered a second", yscale=scale)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _text(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
