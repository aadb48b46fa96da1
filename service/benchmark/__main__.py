"""`python -m service.benchmark URL --images DIR --rate R --seconds S`: measures a server under an open-loop load."""

import argparse
import asyncio
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import uvloop

from service.benchmark.arrivals import Pattern, arrival_times
from service.benchmark.http_load import SendsTo, Target, send_load
from service.benchmark.report import Run, line_of, read_metrics, run_of, to_html, to_json
from service.command_names import named
from service.detection.decode import IMAGE_SUFFIXES
from service.version import add_version

KNEE_SHARE = 0.99  # the knee is the highest rate at which this share of answers meets the objective
STEP = 1.25
NUM_REFINEMENTS = 3
EXAMPLE = """\
Each request has a fixed time to be sent, even if earlier ones are unanswered; latency counts from that time. Requests
carry the objective as X-Request-Timeout-Ms, so that a server can reject requests that it cannot answer in time
(--no-deadline leaves the header out). An http:// address without a path is that of /detect. A grpc:// address without a
model is that of the first one, and there the objective is the deadline of a call.

example:
  python -m service.benchmark http://127.0.0.1:8000 --images photos --rate 100 --seconds 20
  python -m service.benchmark http://127.0.0.1:8000 --images photos --rate 20 --seconds 10 --sweep --out report.html
"""


@dataclass(frozen=True)
class Plan:
    """The requests, and how to send them."""

    target: SendsTo
    metrics_url: str | None
    requests: Sequence[bytes]
    pattern: Pattern
    burst: int
    seconds: float
    objective_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure -> exit status."""
    options = parser().parse_args(arguments)
    try:
        plan = plan_of(options)
    except (ValueError, OSError) as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 1
    if options.warmup:
        measure(plan, options.rate, options.warmup)
    runs: list[Run] = []

    def measured(rate: float) -> Run:
        runs.append(measure(plan, rate, plan.seconds))
        print(line_of(runs[-1]), flush=True)
        return runs[-1]

    knee = None
    if options.sweep:
        knee = find_knee(measured, options.rate)
        print(f"knee: {knee:.4g} requests a second" if knee else "no rate met the objective; start with a lower --rate")
    else:
        measured(options.rate)
    if options.out:
        runs.sort(key=lambda run: run.rate)
        options.out.write_text(to_html(options.url, plan.objective_seconds, runs, knee))
        options.out.with_suffix(".json").write_text(to_json(options.url, plan.objective_seconds, runs, knee))
    if all(run.statuses.keys() == {"lost"} for run in runs):
        print(f"benchmark: {options.url}: not one request was answered; is the server running there?", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=named("python -m service.benchmark"),
        description="Send images to a server at a given rate, and report latency and goodput.",
        epilog=named(EXAMPLE),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("url", help="the server, e.g. http://127.0.0.1:8000 or grpc://127.0.0.1:8001/MODEL")
    parser.add_argument(
        "--metrics", metavar="URL", help="the server's metrics (default: /metrics of an http:// server)"
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="image files to send, in turn")
    parser.add_argument(
        "--rate", type=float, required=True, help="requests a second; with --sweep the first of the rates"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each run (default: 10)")
    parser.add_argument(
        "--warmup", type=float, default=1.0, help="seconds before the first run that do not count (default: 1)"
    )
    parser.add_argument("--arrivals", choices=["poisson", "bursts"], default="poisson", help="(default: poisson)")
    parser.add_argument("--burst", type=int, default=8, help="requests in a burst (default: 8)")
    parser.add_argument(
        "--objective-ms", type=float, default=250.0, help="latency that an answer should keep within (default: 250)"
    )
    parser.add_argument("--no-deadline", action="store_true", help="send no X-Request-Timeout-Ms")
    parser.add_argument(
        "--sweep", action="store_true", help="raise the rate until the objective is missed, and find the knee"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE.html", help="write a report there, and its figures beside it as JSON"
    )
    add_version(parser)
    return parser


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan that the command line describes; raises ValueError and OSError."""
    target, post = addressed(options.url, None if options.no_deadline else options.objective_ms)
    if not (options.rate > 0 and options.seconds > 0 and options.burst > 0 and options.objective_ms > 0):
        raise ValueError("--rate, --seconds, --burst and --objective-ms should be more than 0")
    images = read_images(options.images)
    metrics_url = options.metrics
    if metrics_url is None and isinstance(target, Target):
        metrics_url = f"http://{urlsplit(options.url).netloc}/metrics"
    return Plan(
        target=target,
        metrics_url=metrics_url,
        requests=[post(image) for image in images],
        pattern=options.arrivals,
        burst=options.burst,
        seconds=options.seconds,
        objective_seconds=options.objective_ms / 1000,
    )


def addressed(url: str, timeout_ms: float | None) -> tuple[SendsTo, Callable[[bytes], bytes]]:
    """The target of an address, and what makes a request of an image; raises ValueError."""
    if not url.startswith("grpc:"):
        target = Target.of(url, "/detect")
        headers = {} if timeout_ms is None else {"X-Request-Timeout-Ms": str(max(1, round(timeout_ms)))}
        return target, lambda image: target.post(image, headers)
    try:
        from service.benchmark.grpc_load import GrpcTarget
    except ImportError as error:
        raise ValueError("gRPC is not installed; run `pip install '.[cpu,grpc]'`, or use http://") from error
    place = GrpcTarget.of(url)
    return (place if timeout_ms is None else place.with_timeout(timeout_ms / 1000)), place.post


def read_images(folder: Path) -> list[bytes]:
    """The image files of a directory; raises ValueError and OSError."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise ValueError(f"{folder}: there is no image in it; give a directory of JPEG, PNG, WebP, GIF or BMP files")
    return [path.read_bytes() for path in files]


def measure(plan: Plan, rate: float, seconds: float) -> Run:
    """Send the load at one rate -> its figures."""
    times = arrival_times(plan.pattern, rate, seconds, burst=plan.burst, seed=round(rate * 1000))
    before = fetch_metrics(plan.metrics_url)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        samples = runner.run(send_load(plan.target, plan.requests, times))
    return run_of(samples, rate, seconds, plan.objective_seconds, before, fetch_metrics(plan.metrics_url))


def find_knee(measured: Callable[[float], Run], rate: float) -> float | None:
    """The highest rate that meets the objective: in steps from `rate` up, then by bisection between the last two."""
    good: float | None = None
    while measured(rate).goodput_share >= KNEE_SHARE:
        good, rate = rate, rate * STEP
    if good is None:
        return None
    bad = rate
    for _ in range(NUM_REFINEMENTS):
        middle = (good + bad) / 2
        if measured(middle).goodput_share >= KNEE_SHARE:
            good = middle
        else:
            bad = middle
    return good


def fetch_metrics(url: str | None) -> dict[str, float]:
    """The server's metrics; {} if it has none."""
    if url is None:
        return {}
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return read_metrics(response.read().decode())
    except (OSError, urllib.error.URLError, ValueError):
        return {}


if __name__ == "__main__":
    sys.exit(main())
