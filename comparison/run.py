"""`python -m comparison --images DIR`: compares this server with those that a user might choose instead."""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from comparison.detector import NUM_WORKERS, Detector
from comparison.loads import OBJECTIVE_SECONDS
from comparison.peers import Peer, PeerError, choose, python_of
from comparison.pipeline_loop import cpu_ms_an_image
from comparison.report.files import write_files
from comparison.report.machine import machine_of, versions_of
from comparison.report.markdown import to_markdown
from comparison.report.results import Comparison, best_capacity
from comparison.turns.probe import Probe, images_of_probe
from comparison.turns.progress import Progress
from comparison.turns.residents import Residents
from comparison.turns.rounds import Load
from comparison.turns.schedule import Schedule
from comparison.turns.trials import in_best_setting, trials_of
from service.benchmark.__main__ import read_images
from service.engines.protocol import EngineError

SHARES = (0.2, 0.6, 0.9, 1.2, 1.5)  # of the best capacity among the servers
OVERHEAD_SECONDS = 3.5  # of a turn, beside its load: a guess for the first lines of the progress
EXAMPLE = """\
Each server runs the same pipeline on the same bundle with the same engine: for each core an engine with one thread. All
servers are started, and all but one are paused at any time. First the capacity of each server is measured. Then all
servers get the same Poisson loads, at 20, 60, 90, 120 and 150 % of the best capacity. Latency counts from the time at
which a request should be sent. All servers get the header X-Request-Timeout-Ms: 250 with each request of these loads,
and 60,000 in the closed loop.

A load has several rounds. In each round every server has one turn, with the same arrival times. Between two turns the
time of a fixed piece of work is taken. A round in which it varied by more than a quarter is redone, at most --rounds
times for each load. The report has the medians of the rounds with their ranges, and the ratios to this server in the
same round. It is written after each load, and also after Ctrl-C.

example:
  python -m comparison --images BCCD/JPEGImages --tune --out compared     # all servers, each in its best setting
  python -m comparison --images BCCD/JPEGImages --servers singleshot,fastapi,mosec --rounds 1     # a quick look
"""


@dataclass(frozen=True)
class Plan:
    """What is measured, and with what."""

    images: Sequence[bytes]
    venvs: Path
    seconds: float
    num_rounds: int
    has_trials: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the report; returns the exit status."""
    options = parser().parse_args(arguments)
    try:
        peers = choose(options.servers)
        images = read_images(options.images)
        plan = Plan(images, options.venvs.resolve(), options.seconds, options.rounds, options.tune)
        if plan.num_rounds < 1 or plan.seconds <= 0:
            raise ValueError("--rounds should be at least 1, and --seconds above 0")
        detectors = [Detector() for _ in range(NUM_WORKERS)]
    except (EngineError, ValueError, OSError) as error:
        print(f"comparison: {error}", file=sys.stderr)
        return 1
    loop_cpu_ms = cpu_ms_an_image(detectors[0], images, seconds=3.0)
    probe_images = images_of_probe(images, loop_cpu_ms[1])
    probe = Probe(detectors, probe_images)
    comparison = Comparison(
        machine_of(detectors[0].engine),
        1000 * OBJECTIVE_SECONDS,
        plan.seconds,
        plan.num_rounds,
        loop_cpu_ms,
        len(probe_images),
    )
    is_complete = True
    try:
        compare(plan, peers, probe, comparison, lambda: write_files(comparison, options.out))
    except KeyboardInterrupt:
        is_complete = False
        print("interrupted: the report has the rounds that were complete", file=sys.stderr)
    probe.close()
    write_files(comparison, options.out)
    print(to_markdown(comparison))
    return 0 if is_complete else 130


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m comparison",
        description="Compare this server with those that a user might choose instead.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="JPEG files to send, in turn")
    parser.add_argument("--servers", metavar="A,B", help="only these (default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="in which the servers take turns (default: 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each turn (default: 4)")
    parser.add_argument(
        "--tune",
        action="store_true",
        help="first measure the capacity of each server in several settings, such as sizes of batches; use the best",
    )
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


def compare(plan: Plan, peers: Sequence[Peer], probe: Probe, comparison: Comparison, save: Callable[[], None]) -> None:
    """Install all servers, choose their settings, measure the capacities, then the loads; save after each of them.

    A server that fails is left out from then on.
    """
    progress = Progress(plan.seconds + OVERHEAD_SECONDS)
    peers = installed(plan, peers, comparison)
    num_turns = (1 + len(SHARES)) * plan.num_rounds
    if plan.has_trials:
        for number, peer in enumerate(peers):
            num_settings = sum(len(later.settings) for later in peers[number + 1 :] if len(later.settings) > 1)
            progress.later = num_settings * plan.num_rounds + num_turns * len(peers)
            try_settings(plan, peer, comparison, probe, progress)
            save()
    with Residents(plan.images, plan.venvs, comparison.failures) as residents:
        for peer in peers:
            print(f"starting {peer.name}", file=sys.stderr, flush=True)
            residents.start(peer.name, in_best_setting(peer, comparison.trials))
        comparison.standings += [resident.standing for resident in residents.all]
        schedule = Schedule(residents, probe, progress, plan.num_rounds, plan.seconds)
        for number, share in enumerate((None, *SHARES)):
            load = Load(share, rate=None if share is None else share * best_capacity(comparison))
            if load.rate == 0:
                break
            comparison.loads.append(load)
            progress.later = (len(SHARES) - number) * plan.num_rounds * len(residents.all)
            schedule.run(load, load.name)
            save()


def installed(plan: Plan, peers: Sequence[Peer], comparison: Comparison) -> list[Peer]:
    """The servers that could be installed. The comparison gets their versions, and the failures of the others."""
    found = []
    for peer in peers:
        try:
            comparison.versions[peer.name] = versions_of(peer, python_of(peer, plan.venvs))
            found.append(peer)
        except (PeerError, OSError, subprocess.CalledProcessError) as error:
            comparison.failures[peer.name] = f"{error}"
    return found


def try_settings(plan: Plan, peer: Peer, comparison: Comparison, probe: Probe, progress: Progress) -> None:
    """Measure the capacity of a server in each of its settings, if it has several."""
    if len(peer.settings) == 1:
        return
    failures: dict[str, str] = {}
    load = Load(share=None, rate=None)
    with Residents(plan.images, plan.venvs, failures) as residents:
        for setting in peer.settings:
            residents.start(setting.name, peer.configured(setting))
        Schedule(residents, probe, progress, plan.num_rounds, plan.seconds).run(load, f"settings of {peer.name}")
    comparison.trials += trials_of(peer, load)
    comparison.failures.update({f"{peer.name}, {name}": reason for name, reason in failures.items()})
