"""The report of a load test: figures of each run, as lines of text, as JSON and as an HTML page with plots."""

import html
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from service.benchmark.http_load import LOST, Samples

WIDTH, HEIGHT, MARGIN = 640, 260, 48
COLOURS = ("#0072b2", "#e69f00", "#d55e00", "#009e73")


@dataclass(frozen=True)
class Run:
    """The figures of one rate.

    Times are in ms from the intended send time, of answers with status 200; shares are of the offered requests.
    """

    rate: float
    seconds: float
    num_offered: int
    throughput: float  # answers with status 200 a second
    goodput: float  # answers within the objective a second
    goodput_share: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    send_delay_p99_ms: float  # how late the client sent its requests
    statuses: dict[str, int]
    mean_batch: float | None
    batch_sizes: dict[str, int]  # {bound: batches with at most so many images, and more than the bound before}
    cpu_ms_a_request: float | None


def run_of(
    samples: Samples,
    rate: float,
    seconds: float,
    objective_seconds: float,
    before: dict[str, float],
    after: dict[str, float],
) -> Run:
    """The figures of one rate; `before` and `after` are the server's metrics, {} if it has none."""
    is_good = samples.status == 200
    latency = samples.latency[is_good] * 1000
    p50, p95, p99, worst = np.percentile(latency, [50, 95, 99, 100]).tolist() if len(latency) else [float("nan")] * 4
    in_time = int((latency <= objective_seconds * 1000).sum())
    delays = (samples.sent - samples.intended)[~np.isnan(samples.sent)] * 1000
    grown = {name: after[name] - before.get(name, 0.0) for name in after}
    num_batches = sum(value for name, value in grown.items() if name.startswith("singleshot_batch_size_count"))
    num_images = sum(value for name, value in grown.items() if name.startswith("singleshot_batch_size_sum"))
    cpu_seconds = grown.get("process_cpu_seconds_total")
    return Run(
        rate=rate,
        seconds=seconds,
        num_offered=len(samples.status),
        throughput=len(latency) / seconds,
        goodput=in_time / seconds,
        goodput_share=in_time / max(1, len(samples.status)),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=worst,
        send_delay_p99_ms=float(np.percentile(delays, 99)) if len(delays) else float("nan"),
        statuses={
            "lost" if code == LOST else str(code): n for code, n in sorted(Counter(samples.status.tolist()).items())
        },
        mean_batch=num_images / num_batches if num_batches else None,
        batch_sizes=batch_sizes_of(grown),
        cpu_ms_a_request=1000 * cpu_seconds / len(latency) if cpu_seconds and len(latency) else None,
    )


def batch_sizes_of(grown: dict[str, float]) -> dict[str, int]:
    """The histogram of batch sizes from the growth of the metrics: {upper bound: number}, summed over the models."""
    cumulative: Counter[float] = Counter()
    for name, value in grown.items():
        if name.startswith("singleshot_batch_size_bucket"):
            cumulative[float(name.partition('le="')[2].partition('"')[0])] += value  # type: ignore[assignment]
    sizes, below = {}, 0.0
    for bound in sorted(cumulative):
        if cumulative[bound] > below:
            sizes[f"{bound:g}"] = round(cumulative[bound] - below)
        below = cumulative[bound]
    return sizes


def read_metrics(text: str) -> dict[str, float]:
    """Prometheus' text format -> {name with labels: value}."""
    lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def line_of(run: Run) -> str:
    """One run in one line."""
    statuses = " ".join(f"{code}:{count}" for code, count in run.statuses.items())
    batch = f"  batch {run.mean_batch:.2f}" if run.mean_batch else ""
    cpu = f"  cpu {run.cpu_ms_a_request:.2f} ms" if run.cpu_ms_a_request else ""
    return (
        f"{run.rate:8.1f}/s  p50 {run.p50_ms:7.1f}  p95 {run.p95_ms:7.1f}  p99 {run.p99_ms:7.1f} ms  "
        f"goodput {run.goodput:7.1f}/s = {100 * run.goodput_share:5.1f} %{batch}{cpu}  {statuses}"
    )


def to_json(title: str, objective_seconds: float, runs: Sequence[Run], knee: float | None) -> str:
    """The figures as JSON; a figure that could not be measured is null."""
    entries = [{name: None if value != value else value for name, value in asdict(run).items()} for run in runs]
    content = {"target": title, "objective_ms": objective_seconds * 1000, "knee_rate": knee, "runs": entries}
    return json.dumps(content, indent=2) + "\n"


def to_html(title: str, objective_seconds: float, runs: Sequence[Run], knee: float | None) -> str:
    """The figures as a page that needs no network."""
    rates = [run.rate for run in runs]
    latencies = [
        ("p50", [run.p50_ms for run in runs]),
        ("p95", [run.p95_ms for run in runs]),
        ("p99", [run.p99_ms for run in runs]),
    ]
    goodputs = [("goodput", [run.goodput for run in runs]), ("throughput", [run.throughput for run in runs])]
    columns = (
        "rate",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "throughput",
        "goodput",
        "goodput_share",
        "mean_batch",
        "cpu_ms_a_request",
    )
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{_number(getattr(run, column))}</td>" for column in columns)
        + f"<td>{html.escape(str(run.statuses))}</td><td>{html.escape(str(run.batch_sizes))}</td></tr>"
        for run in runs
    )
    heads = "".join(f"<th>{column}</th>" for column in (*columns, "statuses", "batch_sizes"))
    knee_text = f"; the knee is at {knee:.4g} requests a second" if knee else ""
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{html.escape(title)}</title>
<style>body{{font:15px system-ui;margin:2em;max-width:75em}}td,th{{padding:.2em .8em;text-align:right}}
table{{border-collapse:collapse}}tr:nth-child(even){{background:#f3f3f3}}svg{{margin-right:2em}}</style>
<h1>{html.escape(title)}</h1>
<p>Open loop, latency from the intended send time, objective {objective_seconds * 1000:g} ms{knee_text}.</p>
{plot("latency, ms", rates, latencies)}{plot("requests a second", rates, goodputs)}
<table><tr>{heads}</tr>{rows}</table></html>
"""


def plot(title: str, x: Sequence[float], lines: Sequence[tuple[str, Sequence[float]]]) -> str:
    """An SVG with a line for each series over x, from 0 to the largest value."""
    largest = max((value for _, values in lines for value in values if value == value), default=1.0) or 1.0
    x_largest = max(x, default=1.0) or 1.0

    def at(x_value: float, y_value: float) -> tuple[float, float]:
        across = MARGIN + (WIDTH - 2 * MARGIN) * x_value / x_largest
        return round(across, 1), round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * y_value / largest, 1)

    parts = [f'<text x="{MARGIN}" y="20">{html.escape(title)}, up to {largest:.4g}</text>']
    for (name, values), colour in zip(lines, COLOURS, strict=False):
        points = [at(a, b) for a, b in zip(x, values, strict=True) if b == b]
        path = " ".join(f"{a},{b}" for a, b in points)
        dots = "".join(f'<circle cx="{a}" cy="{b}" r="3" fill="{colour}"/>' for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>{dots}')
        if points:
            parts.append(
                f'<text x="{points[-1][0] + 6}" y="{points[-1][1]}" fill="{colour}">{html.escape(name)}</text>'
            )
    left, right, bottom = MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN
    parts.append(f'<path d="M{left},{MARGIN} V{bottom} H{right}" stroke="#888" fill="none"/>')
    parts.append(
        f'<text x="{right}" y="{bottom + 20}" text-anchor="end">{x_largest:.4g} requests offered a second</text>'
    )
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>'


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.4g}"
