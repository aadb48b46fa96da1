"""The stall test: what one hostile request at a time does to the latency of ordinary requests."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from comparison.hostile.attacker import Attacker
from comparison.hostile.requests import Hostile
from comparison.loads import open_loop
from service.benchmark.arrivals import arrival_times
from service.benchmark.http_load import Target

MAX_RATIO = 2.0  # of the p99 of ordinary requests beside a hostile one to their usual p99
REST_SECONDS = 0.5


@dataclass
class Latencies:
    """The ordinary requests of one or several turns: the latency of the answers in seconds, how late the client sent
    its requests, and all statuses.
    """

    seconds: list[float] = field(default_factory=list)
    send_delays: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, target: Target, ordinary: Sequence[bytes], rate: float, seconds: float, seed: int) -> None:
        """Send ordinary requests at a mean `rate` for `seconds`."""
        samples = open_loop(target, ordinary, arrival_times("poisson", rate, seconds, burst=1, seed=seed))
        self.statuses.update(samples.status.tolist())
        self.seconds += samples.latency[samples.status == 200].tolist()
        self.send_delays += (samples.sent - samples.intended)[~np.isnan(samples.sent)].tolist()

    def quantile_ms(self, percent: float) -> float:
        """A percentile of the latency; not a number without answers."""
        return 1000 * float(np.percentile(self.seconds, percent)) if self.seconds else float("nan")

    @property
    def send_delay_ms(self) -> float:
        """The 99th percentile of the client's own delay."""
        return 1000 * float(np.percentile(self.send_delays, 99)) if self.send_delays else 0.0


def stalls(
    target: Target,
    ordinary: Sequence[bytes],
    hostile: Sequence[Hostile],
    *,
    rate: float,
    seconds: float,
    num_turns: int,
) -> list[str]:
    """Measure in turns and print a line for each hostile request -> the bounds that are broken.

    A turn of ordinary requests alone precedes each turn beside a hostile request, because the machine may drift.
    """
    usual = Latencies()
    beside = {request.name: Latencies() for request in hostile}
    answers: Counter[tuple[str, str]] = Counter()
    broken = []
    for turn in range(num_turns):
        for number, request in enumerate(hostile):
            seed = turn * len(hostile) + number
            usual.add(target, ordinary, rate, seconds, 2 * seed)
            with Attacker(target, [request]) as attacker:
                beside[request.name].add(target, ordinary, rate, seconds, 2 * seed + 1)
            answers.update(attacker.statuses)
            broken += [f"{error} ({count} times)" for error, count in attacker.errors().items()]
            time.sleep(REST_SECONDS)
            if turn == num_turns - 1:
                found = {status: count for (name, status), count in answers.items() if name == request.name}
                print(line_of(request.name, beside[request.name], usual, found), flush=True)
    print(line_of("none", usual, usual, {}), flush=True)
    for name, latencies in beside.items():
        ratio = latencies.quantile_ms(99) / usual.quantile_ms(99)
        if not ratio <= MAX_RATIO:
            broken.append(f"{name}: ordinary requests have a p99 of {ratio:.1f} times the usual")
        if latencies.statuses.keys() - {200, 503, 504}:
            broken.append(f"{name}: ordinary requests have the statuses {dict(latencies.statuses)}")
    return broken


def line_of(name: str, latencies: Latencies, usual: Latencies, answers: dict[str, int]) -> str:
    """The ordinary requests beside one hostile request in one line."""
    p50, p99, worst = (latencies.quantile_ms(percent) for percent in (50, 99, 100))
    ratio = p99 / usual.quantile_ms(99)
    return (
        f"{name:30s}  p50 {p50:6.1f}  p99 {p99:7.1f}  max {worst:7.1f} ms  p99 {ratio:5.2f} of the usual  "
        f"client {latencies.send_delay_ms:.0f} ms late  "
        f"ordinary {words_of(latencies.statuses)}  hostile {words_of(answers)}"
    )


def words_of(counts: "Counter[int] | dict[str, int]") -> str:
    """`200:41 503:2`; `lost` for requests without an answer."""
    return " ".join(f"{status or 'lost'}:{count}" for status, count in sorted(counts.items())) or "–"
