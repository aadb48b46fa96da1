"""Rounds in which each server has one turn, and the choice of those in which the machine kept its speed."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from comparison.turns.figures import Figures

MAX_SLOWDOWN = 1.25  # of the slowest probe of a round, against its fastest one
Name = TypeVar("Name")


@dataclass(frozen=True)
class Round:
    """One turn of each server. A round that is redone keeps its number, and so its order and its arrival times."""

    number: int
    probe_seconds: Sequence[float]  # before each turn, and after the last one
    figures: Mapping[str, Figures]  # by server; one that failed is missing

    @property
    def slowdown(self) -> float:
        """The slowest probe divided by the fastest one: 1 if the machine kept its speed."""
        return max(self.probe_seconds) / min(self.probe_seconds)

    @property
    def is_calm(self) -> bool:
        """Whether the machine kept its speed well enough to compare the servers."""
        return self.slowdown <= MAX_SLOWDOWN


@dataclass
class Load:
    """A load, and all rounds of it, also those that were redone. The closed loop has neither share nor rate."""

    share: float | None  # of the best capacity
    rate: float | None  # requests offered a second
    rounds: list[Round] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The load in words."""
        return "capacity" if self.share is None else f"{100 * self.share:.0f} %"

    @property
    def kept(self) -> list[Round]:
        """The rounds that count."""
        return kept_rounds(self.rounds)


def order_of(servers: Sequence[Name], number: int) -> list[Name]:
    """The servers in the order of a round: each round starts one server later."""
    start = number % len(servers) if servers else 0
    return [*servers[start:], *servers[:start]]


def next_number(rounds: Sequence[Round], num_rounds: int) -> int | None:
    """The number of the round to run next; None if there are enough.

    First each number runs once. Then the numbers without a calm round are redone in turn, `num_rounds` times at most.
    """
    runs = Counter(round_.number for round_ in rounds)
    missing = [number for number in range(num_rounds) if number not in runs]
    if missing:
        return missing[0]
    calm = {round_.number for round_ in rounds if round_.is_calm}
    disturbed = [number for number in range(num_rounds) if number not in calm]
    if not disturbed or len(rounds) >= 2 * num_rounds:
        return None
    return min(disturbed, key=lambda number: (runs[number], number))


def kept_rounds(rounds: Sequence[Round]) -> list[Round]:
    """Of each number the calmest round: so each server keeps as many turns at each place in the order."""
    calmest: dict[int, Round] = {}
    for round_ in rounds:
        best = calmest.get(round_.number)
        if best is None or round_.slowdown < best.slowdown:
            calmest[round_.number] = round_
    return [calmest[number] for number in sorted(calmest)]
