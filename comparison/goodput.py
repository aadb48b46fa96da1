"""`python -m comparison.goodput --images DIR`: this server's goodput below, at and above the rate that it can serve.

Goodput is the number of answers within the objective a second. A server without admission loses it under overload: it
works on requests whose answers are late.
"""

import argparse
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from comparison.goodput_plot import draw, read_figures
from comparison.loads import closed_loop, open_loop
from comparison.overload import small
from comparison.peers import PEERS, PeerError
from comparison.processes import started
from comparison.running import free_port, running
from service.benchmark.__main__ import find_knee, read_images
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Target
from service.benchmark.report import Run, line_of, run_of

FACTORS = (0.8, 1.0, 1.25, 1.5, 2.0)  # times the knee
NO_HEADER, HEADER = "none", "objective"
FIRST_SHARE = 0.5  # of the closed loop's rate: the search for the knee starts there
REST_SECONDS = 1.0  # between two runs
EXAMPLE = """\
A sleeping engine takes no CPU time, so that the server itself is the limit: its event loop is.

example:
  python -m comparison.goodput --images BCCD/JPEGImages --engine sleeping --rounds 5
"""


@dataclass(frozen=True)
class Load:
    """The requests without and with the header, the length of a run, and the objective."""

    target: Target
    requests: Mapping[str, Sequence[bytes]]
    seconds: float
    objective_seconds: float


@dataclass(frozen=True)
class Row:
    """The medians of several rounds at one factor, with or without the header.

    `share_of_knee` is the median of the ratios to the goodput at the knee in the same round.
    """

    header: str
    factor: float
    offered: float  # requests a second
    goodput: float  # answers within the objective a second
    in_time_share: float  # of the offered requests
    share_of_knee: float
    refused: float  # 503
    expired: float  # 504
    p50_ms: float
    p99_ms: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        others = {path.stem: read_figures(path) for path in options.beside}
        images = read_images(options.images)
        objective_seconds = options.objective_ms / 1000
        with serving(options.engine, images, objective_seconds) as (target, sent):
            headers = {NO_HEADER: {}, HEADER: {"X-Request-Timeout-Ms": f"{options.objective_ms:.0f}"}}
            load = Load(
                target,
                {name: [target.post(image, header) for image in sent] for name, header in headers.items()},
                options.seconds,
                objective_seconds,
            )
            knee = options.knee or knee_of(load)
            rounds = [one_round(load, knee, number) for number in range(options.rounds)]
    except (ValueError, OSError, PeerError) as error:
        print(f"comparison: {error}", file=sys.stderr)
        return 1
    rows = rows_of(rounds)
    print(f"knee: {knee:.4g} requests a second\n{table_of(rows)}")
    figures = {"engine": options.engine, "knee": knee, "rows": [asdict(row) for row in rows]}
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")
    if options.plot:
        draw({**others, "this server": figures}, options.plot)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.goodput",
        description="Goodput at 0.8 to 2 times the knee, the highest rate at which 99 % of the answers are in time.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument("--engine", choices=["real", "sleeping"], default="real", help="(default: real)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each run (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds in which all rates take turns (default: 3)")
    parser.add_argument(
        "--objective-ms",
        type=float,
        default=250.0,
        help="of the answers, of the server (OBJECTIVE_SECONDS) and in the header (default: 250)",
    )
    parser.add_argument("--knee", type=float, help="requests a second; if unset, it is searched")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the figures to this file")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the goodput by what was offered")
    parser.add_argument(
        "--beside",
        type=Path,
        action="append",
        default=[],
        metavar="FILE.json",
        help="figures that --out wrote, for example of an earlier version, to draw in the plot as well",
    )
    return parser


@contextmanager
def serving(engine: str, images: Sequence[bytes], objective_seconds: float) -> Iterator[tuple[Target, Sequence[bytes]]]:
    """A running server with the real or the sleeping engine, and the images to send to it."""
    environment = {"SINGLESHOT_OBJECTIVE_SECONDS": str(objective_seconds)}
    if engine == "real":
        ours = replace(PEERS[0], environment={**PEERS[0].environment, **environment})
        with running(ours, images, venvs=Path()) as (_, target):  # it needs no environment of its own
            yield target, images
        return
    port = free_port()
    probe = urllib.request.Request(f"http://127.0.0.1:{port}/readyz")
    command = [sys.executable, "-m", "comparison.sleeping_server", str(port), "0.5", "0.1"]
    with started(command, environment, probe):
        yield Target("127.0.0.1", port, "/detect"), [small(image) for image in images]


def knee_of(load: Load) -> float:
    """The highest rate at which 99 % of the answers are in time; raises PeerError if there is none."""
    rate = FIRST_SHARE * closed_loop(load.target, load.requests[HEADER], load.seconds)
    knee = find_knee(lambda rate: measure(load, HEADER, rate, seed=0), rate) if rate else None
    if knee is None:
        raise PeerError(f"not even {rate:.4g} requests a second are answered in time")
    return knee


def one_round(load: Load, knee: float, number: int) -> dict[tuple[str, float], Run]:
    """One run at each factor, without and with the header."""
    return {
        (header, factor): measure(load, header, factor * knee, seed=number)
        for factor in FACTORS
        for header in load.requests
    }


def measure(load: Load, header: str, rate: float, seed: int) -> Run:
    """One run after a rest."""
    time.sleep(REST_SECONDS)
    times = arrival_times("poisson", rate, load.seconds, burst=1, seed=seed)
    samples = open_loop(load.target, load.requests[header], times)
    run = run_of(samples, rate, load.seconds, load.objective_seconds, {}, {})
    print(f"{line_of(run)}  sent late by {run.send_delay_p99_ms:.0f} ms (p99)", file=sys.stderr, flush=True)
    return run


def rows_of(rounds: Sequence[dict[tuple[str, float], Run]]) -> list[Row]:
    """The medians of the rounds: first all factors without the header, then with it."""
    rows = []
    for header, factor in sorted(rounds[0], key=lambda key: (key[0] != NO_HEADER, key[1])):
        runs = [runs[header, factor] for runs in rounds]
        at_knee = [runs[header, 1.0] for runs in rounds]
        rows.append(
            Row(
                header=header,
                factor=factor,
                offered=statistics.median(run.num_offered / run.seconds for run in runs),
                goodput=statistics.median(run.goodput for run in runs),
                in_time_share=statistics.median(run.goodput_share for run in runs),
                share_of_knee=statistics.median(
                    run.goodput / knee.goodput if knee.goodput else 0.0 for run, knee in zip(runs, at_knee, strict=True)
                ),
                refused=statistics.median(run.statuses.get("503", 0) / run.num_offered for run in runs),
                expired=statistics.median(run.statuses.get("504", 0) / run.num_offered for run in runs),
                p50_ms=statistics.median(run.p50_ms for run in runs),
                p99_ms=statistics.median(run.p99_ms for run in runs),
            )
        )
    return rows


def table_of(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| timeout header | × knee | offered/s | in time/s | of offered | of knee | 503 | 504 | p50 ms | p99 ms |",
        "| --- " + "| --: " * 9 + "|",
    ]
    lines += [
        f"| {row.header} | {row.factor:g} | {row.offered:.0f} | {row.goodput:.0f} | {100 * row.in_time_share:.1f} % | "
        f"{100 * row.share_of_knee:.0f} % | {100 * row.refused:.1f} % | {100 * row.expired:.1f} % | "
        f"{row.p50_ms:.0f} | {row.p99_ms:.0f} |"
        for row in rows
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
