"""`python -m comparison.scaling --images DIR`: the capacity of this server and of others, by the number of cores."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from comparison.binding import bound_to
from comparison.loads import PATIENT, answers_a_second
from comparison.peers import AS_IT_IS, BATCHES, OURS, Peer, PeerError, choose
from comparison.running import running
from comparison.turns.rounds import order_of
from comparison.turns.spread import spread_of
from service.benchmark.__main__ import read_images
from service.benchmark.http_load import Target

NUM_CORES = (1, 2, 4, 8, 16)
CORES_A_PROCESS = 4  # of this server, if it runs as several processes
CONNECTIONS_A_CORE = 8
LEAD_SECONDS = 0.5
EXAMPLE = """\
Each server runs the same pipeline on the same bundle with the same engine: for each core an engine with one thread. All
servers are started at first, once for each number of cores, and are bound to these cores. In a round each has one turn,
a closed loop with 8 connections for each of its cores, while the others idle. The client runs on the other cores, or on
all if the server has all. This server runs as one process, and as one process for every 4 cores, over which the client
spreads its connections. The figures are the medians of the rounds with their ranges. They are written after each turn.

example:
  python -m comparison.scaling --images BCCD/JPEGImages --rounds 3 --out scaling.json
"""


@dataclass(frozen=True)
class Way:
    """A server in one of its settings: one process in all, or one for every `cores_a_process` cores."""

    name: str
    peer: Peer
    cores_a_process: int | None = None

    def parts(self, cores: Sequence[int]) -> list[Sequence[int]]:
        """The cores of each process; none if there would be a single process of several, or an incomplete one."""
        size = self.cores_a_process
        if size is None:
            return [cores]
        if len(cores) <= size or len(cores) % size:
            return []
        return [cores[start : start + size] for start in range(0, len(cores), size)]


@dataclass
class Cell:
    """A server that runs on some cores, with the addresses of its processes, and the capacity found in each round."""

    way: Way
    cores: Sequence[int]
    targets: list[Target] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)  # answers a second


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the table; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        ways = ways_of(choose(options.servers))
        images = read_images(options.images)
        cores = sorted(os.sched_getaffinity(0))
        counts = [count for count in options.cores or NUM_CORES if count <= len(cores)]
        if not counts or min(counts) < 1 or options.rounds < 1 or options.seconds <= 0:
            raise ValueError(f"--cores should be from 1 to {len(cores)}, --rounds at least 1, and --seconds above 0")
    except (ValueError, OSError) as error:
        print(f"comparison: {error}", file=sys.stderr)
        return 1
    cells: list[Cell] = []
    with ExitStack() as stack:
        for way in ways:
            for group in groups_of(counts, cores):
                cells += start(way, group, images, options.venvs.resolve(), stack)
        for number in range(options.rounds):
            for cell in order_of(cells, number):
                rate = capacity_of(cell, cores, images, options.seconds)
                cell.rates.append(rate)
                print(f"{number + 1}  {cell.way.name}, cores {len(cell.cores)}: {rate:.1f}/s", flush=True)
                if options.out:
                    options.out.write_text(json.dumps([figures_of(cell) for cell in cells], indent=2) + "\n")
            print(f"\n{table_of(cells)}\n", flush=True)
    return 0 if cells else 1


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison.scaling",
        description="The capacity of this server and of others, by the number of cores.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument(
        "--servers",
        default="singleshot,fastapi,mosec",
        metavar="A,B",
        help="the servers (default: singleshot,fastapi,mosec)",
    )
    parser.add_argument(
        "--cores",
        type=lambda text: [int(part) for part in text.split(",")],
        metavar="N,M",
        help=f"numbers of cores (default: those of {','.join(map(str, NUM_CORES))} that this machine has)",
    )
    parser.add_argument("--rounds", type=int, default=3, help="in which the servers take turns (default: 3)")
    parser.add_argument("--seconds", type=float, default=2.5, help="length of each turn (default: 2.5)")
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write the figures to this file")
    parser.add_argument(
        "--venvs",
        type=Path,
        default=Path.home() / ".cache" / "singleshot-comparison",
        metavar="DIR",
        help="where other servers are installed on first use (default: ~/.cache/singleshot-comparison)",
    )
    return parser


def ways_of(peers: Sequence[Peer]) -> list[Way]:
    """Each server in each of its settings, with batches of at most 8; this server also as several processes."""
    ways = []
    for peer in peers:
        settings = peer.settings[-1:] if peer.settings == BATCHES else peer.settings
        for setting in settings:
            name = peer.name if setting == AS_IT_IS else f"{peer.name}, {setting.name}"
            ways.append(Way(name, peer.configured(setting)))
        if peer.name == OURS:
            ways.append(Way(f"{OURS}, a process for every {CORES_A_PROCESS} cores", peer, CORES_A_PROCESS))
    return ways


def groups_of(counts: Sequence[int], cores: Sequence[int]) -> list[list[Sequence[int]]]:
    """The cores for each of the counts, in groups that do not overlap: the servers of a group can start at once."""
    groups: list[list[Sequence[int]]] = []
    for count in sorted(counts, reverse=True):
        for group in groups:
            num_taken = sum(map(len, group))
            if num_taken + count <= len(cores):
                group.append(cores[num_taken : num_taken + count])
                break
        else:
            groups.append([cores[:count]])
    return groups


def start(
    way: Way, group: Sequence[Sequence[int]], images: Sequence[bytes], venvs: Path, stack: ExitStack
) -> list[Cell]:
    """Start a server on each of the cores of a group, until `stack` is closed; those that fail are left out."""
    cells = [Cell(way, cores) for cores in group]
    processes = [(cell, part) for cell in cells for part in way.parts(cell.cores)]

    def start_process(cell: Cell, cores: Sequence[int]) -> Target | None:
        try:
            with bound_to(cores):  # the server inherits it
                return stack.enter_context(running(way.peer, images, venvs))[1]
        except (PeerError, OSError) as error:
            print(f"{way.name}, cores {len(cell.cores)}: {error}", file=sys.stderr, flush=True)
            return None

    print(f"starting {way.name}, cores {', '.join(str(len(cores)) for cores in group)}", flush=True)
    with ThreadPoolExecutor(len(processes) or 1) as pool:
        targets = list(pool.map(start_process, *zip(*processes, strict=True))) if processes else []
    failed = []
    for (cell, _), target in zip(processes, targets, strict=True):
        if target is None:
            failed.append(cell)
        else:
            cell.targets.append(target)
    return [cell for cell in cells if cell.targets and cell not in failed]


def capacity_of(cell: Cell, cores: Sequence[int], images: Sequence[bytes], seconds: float) -> float:
    """Answers with status 200 a second, of all processes together. The client takes the cores that are left, or all."""

    async def total() -> float:
        loops = [
            answers_a_second(
                target,
                [cell.way.peer.request(target, image, PATIENT) for image in images],
                num_connections=CONNECTIONS_A_CORE * len(cell.cores) // len(cell.targets),
                seconds=seconds,
                lead_seconds=LEAD_SECONDS,
            )
            for target in cell.targets
        ]
        return sum(await asyncio.gather(*loops))

    with (
        bound_to([core for core in cores if core not in cell.cores] or cores),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(total())


def table_of(cells: Sequence[Cell]) -> str:
    """The capacities as Markdown: a row for each way, a column for each number of cores."""
    counts = sorted({len(cell.cores) for cell in cells})
    found = {(cell.way.name, len(cell.cores)): text_of(cell) for cell in cells}
    lines = [
        f"| answers a second on | {' | '.join(f'{count} cores' if count > 1 else '1 core' for count in counts)} |",
        "| --- " + "| ---: " * len(counts) + "|",
    ]
    for name in dict.fromkeys(cell.way.name for cell in cells):
        lines.append(f"| {name} | {' | '.join(found.get((name, count), '–') for count in counts)} |")
    return "\n".join(lines)


def text_of(cell: Cell) -> str:
    """The median of the rounds and their range: "448 (440–455)"."""
    spread = spread_of(cell.rates)
    return f"{spread.median:.0f} ({spread.least:.0f}–{spread.greatest:.0f})" if spread else "–"


def figures_of(cell: Cell) -> dict[str, object]:
    """The cell for the file of figures."""
    return {"server": cell.way.name, "cores": len(cell.cores), "processes": len(cell.targets), "rates": cell.rates}


if __name__ == "__main__":
    sys.exit(main())
