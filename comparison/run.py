"""`python -m comparison --images DIR`: compares this server with those that a user might choose instead."""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from comparison.loads import DEADLINE, OBJECTIVE_SECONDS, capacity_of, open_loop
from comparison.peers import Peer, PeerError, choose
from comparison.pipeline_loop import cpu_ms_an_image
from comparison.report import Comparison, Row, Standing, draw, row_of, to_json, to_markdown
from comparison.running import running
from service.benchmark.__main__ import read_images
from service.benchmark.arrivals import arrival_times

LOADS = (0.2, 0.6, 0.9, 1.2)  # of the best capacity among the servers
IDLE_SECONDS = 5.0
EXAMPLE = """\
The servers run on this machine, one after another. Each runs the same pipeline on the same bundle with the same engine:
for each core an engine with one thread. First the capacity of each server is measured. Then each server gets the same
Poisson loads, at 20, 60, 90 and 120 % of the best capacity. Latency counts from the time at which a request should be
sent. All servers get the header X-Request-Timeout-Ms: 250 with each request.

example:
  python -m comparison --images BCCD/JPEGImages --seconds 12 --out compared
  python -m comparison --images BCCD/JPEGImages --servers singleshot,fastapi,mosec
"""


@dataclass(frozen=True)
class Plan:
    """What is measured, and with what."""

    images: Sequence[bytes]
    venvs: Path
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the report; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        peers = choose(options.servers)
        plan = Plan(read_images(options.images), options.venvs.resolve(), options.seconds)
    except (ValueError, OSError) as error:
        print(f"comparison: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    comparison = compare(plan, peers)
    (options.out / "comparison.json").write_text(to_json(comparison))
    (options.out / "comparison.md").write_text(to_markdown(comparison))
    draw(comparison, options.out / "comparison.png")
    print(to_markdown(comparison))
    return 0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m comparison",
        description="Compare this server with those that a user might choose instead.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument("--servers", metavar="A,B", help="only these (default: all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each load (default: 20)")
    parser.add_argument(
        "--out", type=Path, default=Path("compared"), metavar="DIR", help="for the report (default: compared)"
    )
    parser.add_argument(
        "--venvs",
        type=Path,
        default=Path.home() / ".cache" / "singleshot-comparison",
        metavar="DIR",
        help="where the other servers are installed on first use (default: ~/.cache/singleshot-comparison)",
    )
    return parser


def compare(plan: Plan, peers: Sequence[Peer]) -> Comparison:
    """Measure the capacities, then the loads. A server that fails is left out from then on; the report says why."""
    failures: dict[str, str] = {}
    standings: list[Standing] = []
    rows: list[Row] = []
    loop_cpu_ms = cpu_ms_an_image(plan.images, seconds=3.0)
    print(f"plain loop: {loop_cpu_ms}", flush=True)
    for peer in peers:
        with reported(peer, failures):
            standings.append(standing_of(plan, peer))
            print(standings[-1], flush=True)
    best = max((standing.capacity for standing in standings), default=0.0)
    for peer in peers:
        if peer.name not in failures and best > 0:
            with reported(peer, failures):
                rows += loaded(plan, peer, best)
    return Comparison(1000 * OBJECTIVE_SECONDS, plan.seconds, loop_cpu_ms, standings, rows, failures)


@contextmanager
def reported(peer: Peer, failures: dict[str, str]) -> Iterator[None]:
    """Record why a server cannot be measured, so that the next one still is."""
    try:
        yield
    except (PeerError, OSError) as error:
        failures[peer.name] = f"{error}"
        print(f"{peer.name}: {error}", flush=True)


def standing_of(plan: Plan, peer: Peer) -> Standing:
    """Measure one server's capacity, and its CPU and memory when it is idle."""
    with running(peer, plan.images, plan.venvs) as (processes, target):
        capacity = capacity_of(target, [peer.request(target, image, {}) for image in plan.images])
        time.sleep(1.0)
        before = processes.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle = 100 * (processes.cpu_seconds() - before) / IDLE_SECONDS
        return Standing(peer.name, capacity, idle, processes.memory_bytes() / 1e6)


def loaded(plan: Plan, peer: Peer, best: float) -> list[Row]:
    """Measure one server under each load; `best` is the best capacity."""
    rows = []
    with running(peer, plan.images, plan.venvs) as (processes, target):
        requests = [peer.request(target, image, DEADLINE) for image in plan.images]
        for load in LOADS:
            times = arrival_times("poisson", load * best, plan.seconds, burst=1, seed=round(100 * load))
            before = processes.cpu_seconds()
            samples = open_loop(target, requests, times)
            row = row_of(
                peer.name,
                load,
                load * best,
                samples,
                seconds=plan.seconds,
                objective_seconds=OBJECTIVE_SECONDS,
                cpu_seconds=processes.cpu_seconds() - before,
            )
            print(row, flush=True)
            rows.append(row)
            time.sleep(1.0)
    return rows
