"""Everything that a comparison measured, and its medians."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from comparison.peers import OURS
from comparison.report.machine import Machine
from comparison.turns.figures import Figures
from comparison.turns.resident import Standing
from comparison.turns.rounds import Load
from comparison.turns.spread import Spread, spread_of
from comparison.turns.trials import Trial

FIGURES: Mapping[str, Callable[[Figures], float | None]] = {
    "throughput": lambda figures: figures.throughput,
    "p50_ms": lambda figures: figures.p50_ms,
    "p99_ms": lambda figures: figures.p99_ms,
    "in_time_share": lambda figures: figures.in_time_share,
    "cpu_ms_a_request": lambda figures: figures.cpu_ms_a_request,
    "send_delay_p99_ms": lambda figures: figures.send_delay_p99_ms,
}


@dataclass
class Comparison:
    """It grows while it is measured. `failures` gives the reason for each server or setting that was left out."""

    machine: Machine
    objective_ms: float
    seconds: float  # of each turn
    num_rounds: int  # of each load
    loop_cpu_ms: Mapping[int, float]  # of an image in the plain loop, by batch size
    probe_images: int  # of a probe, for each core
    versions: dict[str, Mapping[str, str]] = field(default_factory=dict)  # by server, then by package
    trials: list[Trial] = field(default_factory=list)
    standings: list[Standing] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def servers_in(load: Load) -> list[str]:
    """The servers that have figures in the kept rounds, in the order of the first round."""
    return list(dict.fromkeys(server for round_ in load.kept for server in round_.figures))


def median_of(load: Load, server: str, figure: str) -> Spread | None:
    """A figure of a server over the kept rounds; None if no round has it."""
    return spread_of(FIGURES[figure](round_.figures[server]) for round_ in load.kept if server in round_.figures)


def ratio_of(load: Load, server: str, figure: str, base: str = OURS) -> Spread | None:
    """A server's figure divided by that of the server `base` in the same round, over the kept rounds that have both."""
    pairs = [
        (FIGURES[figure](round_.figures[server]), FIGURES[figure](round_.figures[base]))
        for round_ in load.kept
        if server in round_.figures and base in round_.figures
    ]
    return spread_of(other / own for other, own in pairs if other is not None and own)


def best_capacity(comparison: Comparison) -> float:
    """The best median capacity; 0 if there is none."""
    medians = [
        found.median
        for load in comparison.loads
        if load.share is None
        for server in servers_in(load)
        if (found := median_of(load, server, "throughput"))
    ]
    return max(medians, default=0.0)


def to_dict(comparison: Comparison) -> dict[str, Any]:
    """All figures of all rounds; each round says whether it is kept, and each load has the medians of those."""
    content = asdict(comparison)
    for load, entry in zip(comparison.loads, content["loads"], strict=True):
        for round_, figures in zip(load.rounds, entry["rounds"], strict=True):
            figures["slowdown"] = round_.slowdown
            figures["is_kept"] = any(round_ is kept for kept in load.kept)
        entry["medians"] = {
            server: {name: asdict(found) for name in FIGURES if (found := median_of(load, server, name))}
            for server in servers_in(load)
        }
        entry["ratios"] = {
            server: {name: asdict(found) for name in FIGURES if (found := ratio_of(load, server, name))}
            for server in servers_in(load)
            if server != OURS
        }
    return content
