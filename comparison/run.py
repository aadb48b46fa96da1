"""`python -m comparison --images DIR`: this server and those that a user might pick instead, in one run on one machine."""

import argparse
import asyncio
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop

from comparison.closed_loop import answers_a_second
from comparison.peers import Peer, PeerError, choose, python_of
from comparison.pipeline_loop import cpu_ms_an_image
from comparison.processes import ServerProcesses, started
from comparison.report import Comparison, Row, Standing, draw, row_of, to_json, to_markdown
from service.benchmark.__main__ import read_images
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Target, send_load

LOADS = (0.2, 0.6, 0.9, 1.2)  # of the best capacity among the servers
NUM_CONNECTIONS = 16
WARM_UP_SECONDS = 2.0
IDLE_SECONDS = 5.0
CAPACITY_SECONDS = 5.0
OBJECTIVE_SECONDS = 0.25
EXAMPLE = """\
Each server runs the same pipeline on the same bundle with the same engine, an engine of one thread for each core. First the
capacity of each is found; then each gets the same Poisson loads, at 20, 60, 90 and 120 % of the best capacity. Latency
counts from the time a request was meant to be sent. Every request says X-Request-Timeout-Ms: 250, to all servers alike.

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
    """Measure -> exit status."""
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
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison",
        description="Compare this server with those that a user might pick instead.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument("--servers", metavar="A,B", help="only these (default: all)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each load (default: 20)")
    parser.add_argument("--out", type=Path, default=Path("compared"), metavar="DIR", help="(default: compared)")
    parser.add_argument(
        "--venvs",
        type=Path,
        default=Path.home() / ".cache" / "singleshot-comparison",
        metavar="DIR",
        help="where the other servers are installed, on first use (default: ~/.cache/singleshot-comparison)",
    )
    return parser


def compare(plan: Plan, peers: Sequence[Peer]) -> Comparison:
    """The capacities, then the loads. A server that fails is left out from there on, with its reason."""
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
    """Note why a server could not be measured, and go on with the next."""
    try:
        yield
    except (PeerError, OSError) as error:
        failures[peer.name] = f"{error}"
        print(f"{peer.name}: {error}", flush=True)


@contextmanager
def running(plan: Plan, peer: Peer) -> Iterator[tuple[ServerProcesses, Target]]:
    """A peer on a free port, warm."""
    python = python_of(peer, plan.venvs)
    port = free_port()
    target = Target("127.0.0.1", port, peer.path)
    head, _, body = peer.request(target, plan.images[0], {}).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    probe = urllib.request.Request(f"http://127.0.0.1:{port}{peer.path}", body, headers)
    with started(peer.command(python, port), peer.environment, probe) as processes:
        closed_loop(target, [peer.request(target, image, {}) for image in plan.images], WARM_UP_SECONDS)
        yield processes, target


def standing_of(plan: Plan, peer: Peer) -> Standing:
    """What one server can do at most, and what it takes when there is nothing to do."""
    with running(plan, peer) as (processes, target):
        capacity = closed_loop(target, [peer.request(target, image, {}) for image in plan.images], CAPACITY_SECONDS)
        if not capacity:
            raise PeerError("it answered nothing with status 200 in the closed loop")
        time.sleep(1.0)
        before = processes.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle = 100 * (processes.cpu_seconds() - before) / IDLE_SECONDS
        return Standing(peer.name, capacity, idle, processes.memory_bytes() / 1e6)


def loaded(plan: Plan, peer: Peer, best: float) -> list[Row]:
    """One server under every load."""
    rows = []
    headers = {"X-Request-Timeout-Ms": f"{1000 * OBJECTIVE_SECONDS:.0f}"}
    with running(plan, peer) as (processes, target):
        requests = [peer.request(target, image, headers) for image in plan.images]
        for load in LOADS:
            times = arrival_times("poisson", load * best, plan.seconds, burst=1, seed=round(100 * load))
            before = processes.cpu_seconds()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                samples = runner.run(send_load(target, requests, times))
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


def closed_loop(target: Target, requests: Sequence[bytes], seconds: float) -> float:
    """Answers a second."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(answers_a_second(target, requests, num_connections=NUM_CONNECTIONS, seconds=seconds))


def free_port() -> int:
    """A port where nobody listens just now, nor on the next one."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
