"""The comparison as Markdown."""

from collections import Counter
from collections.abc import Sequence

from comparison.peers import OURS
from comparison.report.machine import SHARED, differing
from comparison.report.results import Comparison, median_of, ratio_of, servers_in
from comparison.turns.rounds import MAX_SLOWDOWN, Load
from comparison.turns.spread import Spread, spread_of

UNKNOWN = "–"


def to_markdown(comparison: Comparison) -> str:
    """The conditions, the servers, and for each load a table of the figures and one of the ratios."""
    parts = [*conditions(comparison), *software(comparison), *trials(comparison), *standings(comparison)]
    for load in comparison.loads:
        if load.rounds:
            parts += capacities(load) if load.share is None else figures(comparison, load)
            parts += ratios(load)
            parts.append(calmness(load, comparison.num_rounds) + drift(comparison, load))
    if comparison.failures:
        parts.append("Left out:")
        parts.append("\n".join(f"- {server}: {reason}" for server, reason in comparison.failures.items()))
    return "\n\n".join(parts) + "\n"


def conditions(comparison: Comparison) -> list[str]:
    """How the figures came about."""
    machine = comparison.machine
    loop = ", ".join(f"{value:.2f} ms at batch {size}" for size, value in comparison.loop_cpu_ms.items())
    return [
        f"{machine.processor}, {machine.num_cores} cores, {'with' if machine.has_amx else 'without'} AMX, "
        f"{machine.system}. Engine of all servers: {machine.engine}, one thread for each core. The client runs on the "
        "same cores.",
        f"Rounds of each load: {comparison.num_rounds}. In a round each server runs for {comparison.seconds:g} s while "
        "all others are paused, with the same arrival times, and each round starts with another server. An entry is "
        "the median of the rounds, with the least and the greatest value in brackets. Latencies are of answers with "
        "status 200 and count from the intended send time. In time is an answer within "
        f"{comparison.objective_ms:g} ms.",
        f"CPU for an image in a plain loop (decode, engine, soft-NMS, JSON): {loop}. The fixed "
        f"piece of work between the turns is this loop over {comparison.probe_images} images on each core.",
    ]


def software(comparison: Comparison) -> list[str]:
    """The versions in the environment of each server."""
    if not comparison.versions:
        return []
    rows = []
    for server, found in comparison.versions.items():
        own = ", ".join(f"{name} {value}" for name, value in found.items() if name not in ("python", *SHARED))
        rows.append([server, own, *(found.get(name, UNKNOWN) for name in ("python", *SHARED))])
    others = differing(comparison.versions)
    note = [f"Not the same for all servers: {', '.join(others)}."] if others else []
    return [table(["server", "packages", "Python", *SHARED], rows, num_texts=2), *note]


def trials(comparison: Comparison) -> list[str]:
    """The settings that were tried."""
    if not comparison.trials:
        return []
    rows = [
        [trial.server, trial.setting, text(trial.capacity, 1), "yes" if trial.is_best else ""]
        for trial in comparison.trials
    ]
    return ["Settings tried:", table(["server", "setting", "capacity /s", "used"], rows, num_texts=2)]


def standings(comparison: Comparison) -> list[str]:
    """Each server without a load, while the others are paused."""
    rows = [
        [found.server, found.setting, f"{found.idle_cpu_percent:.1f}", f"{found.memory_mb:.0f}"]
        for found in comparison.standings
    ]
    return [table(["server", "setting", "idle CPU % of a core", "memory MB"], rows, num_texts=2)] if rows else []


def capacities(load: Load) -> list[str]:
    """The closed loop, the best server first."""
    found = [(server, median_of(load, server, "throughput")) for server in servers_in(load)]
    found.sort(key=lambda entry: -entry[1].median if entry[1] else 0.0)
    rows = [[server, text(capacity, 1)] for server, capacity in found]
    return ["## Capacity, in a closed loop", table(["server", "answers /s"], rows)]


def figures(comparison: Comparison, load: Load) -> list[str]:
    """The figures of all servers under one load."""
    rows = []
    for server in servers_in(load):
        cpu, share = median_of(load, server, "cpu_ms_a_request"), median_of(load, server, "in_time_share")
        loop = comparison.loop_cpu_ms.get(1)
        statuses: Counter[str] = Counter()
        for round_ in load.kept:
            if server in round_.figures:
                statuses.update(round_.figures[server].statuses or {})
        rows.append(
            [
                server,
                text(median_of(load, server, "throughput"), 1),
                text(median_of(load, server, "p50_ms"), 1),
                text(median_of(load, server, "p99_ms"), 1),
                text(share, 1, factor=100),
                text(cpu, 2),
                f"{cpu.median / loop:.2f}" if cpu and loop else UNKNOWN,
                " ".join(f"{status}: {number}" for status, number in sorted(statuses.items())),
                text(median_of(load, server, "send_delay_p99_ms"), 1),
            ]
        )
    heads = ["server", "answers /s", "p50 ms", "p99 ms", "in time %", "CPU ms a request", "by loop", "statuses"]
    title = f"## {load.name} of the best capacity, {load.rate or 0:.1f} requests a second"
    return [title, table([*heads, "sent late by, ms (p99)"], rows)]


def ratios(load: Load) -> list[str]:
    """The figures of the others divided by this server's in the same round."""
    others = [server for server in servers_in(load) if server != OURS]
    names = (
        {"throughput": "answers"}
        if load.share is None
        else {"p50_ms": "p50", "p99_ms": "p99", "in_time_share": "in time", "cpu_ms_a_request": "CPU"}
    )
    rows = [[server, *(text(ratio_of(load, server, name), 2) for name in names)] for server in others]
    rows = [row for row in rows if set(row[1:]) != {UNKNOWN}]
    if not rows:
        return []
    return [f"Divided by {OURS} in the same round:", table(["server", *names.values()], rows)]


def calmness(load: Load, num_rounds: int) -> str:
    """How steady the machine was."""
    kept = load.kept
    num_redone, num_above = max(0, len(load.rounds) - num_rounds), sum(not round_.is_calm for round_ in kept)
    redone = "1 round was redone" if num_redone == 1 else f"{num_redone} rounds were redone"
    above = f"{num_above} of the {len(kept)} kept rounds {'is' if num_above == 1 else 'are'} above the limit"
    return (
        f"A fixed piece of work on all cores took {text(probe_of(load), 0, factor=1000)} ms between the turns. "
        f"{redone}, because the slowest took more than {MAX_SLOWDOWN:g} times the fastest; {above}."
    )


def drift(comparison: Comparison, load: Load) -> str:
    """How the machine's speed under this load was related to that at the capacities, of which the rate is a share."""
    now = probe_of(load)
    at_capacity = next((probe_of(other) for other in comparison.loads if other.share is None), None)
    if load.share is None or now is None or at_capacity is None:
        return ""
    return f" It took {now.median / at_capacity.median:.2f} times as long as at the capacities."


def probe_of(load: Load) -> Spread | None:
    """The wall times of the probes in the kept rounds, in seconds."""
    return spread_of(seconds for round_ in load.kept for seconds in round_.probe_seconds)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], num_texts: int = 1) -> str:
    """A table whose first columns hold text, and the others numbers."""
    rule = [" --- "] * num_texts + [" ---: "] * (len(heads) - num_texts)
    lines = [f"| {' | '.join(heads)} |", f"|{'|'.join(rule)}|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def text(spread: Spread | None, digits: int, factor: float = 1.0) -> str:
    """The median, and the range in brackets."""
    if spread is None:
        return UNKNOWN
    median, least, greatest = (
        f"{factor * value:.{digits}f}" for value in (spread.median, spread.least, spread.greatest)
    )
    return f"{median} ({least}–{greatest})"
