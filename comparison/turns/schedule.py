"""Runs the rounds of a load."""

from dataclasses import dataclass
from functools import partial

from comparison.turns.figures import Figures
from comparison.turns.measure import measure
from comparison.turns.probe import Probe
from comparison.turns.progress import Progress
from comparison.turns.residents import Residents
from comparison.turns.rounds import Load, Round, next_number, order_of


@dataclass(frozen=True)
class Schedule:
    """The servers, the number of rounds of each load, and the seconds of each turn."""

    residents: Residents
    probe: Probe
    progress: Progress
    num_rounds: int
    seconds: float

    def run(self, load: Load, title: str) -> None:
        """Add rounds to `load`, until there are enough, or until no server is left."""
        while (number := next_number(load.rounds, self.num_rounds)) is not None and self.residents.all:
            load.rounds.append(self._round(load, number, title))

    def _round(self, load: Load, number: int, title: str) -> Round:
        """One turn of each server, with the same arrival times."""
        order = order_of(self.residents.all, number)
        is_redone = any(round_.number == number for round_ in load.rounds)
        num_later = 0 if is_redone else (self.num_rounds - number - 1) * len(order)
        figures: dict[str, Figures] = {}
        probe_seconds = [self.probe.seconds()]
        for position, resident in enumerate(order):
            what = f"{title}, round {number + 1} of {self.num_rounds}{' again' if is_redone else ''}: {resident.name}"
            self.progress.turn(what, num_later + len(order) - position)
            found = self.residents.turn(resident, partial(measure, rate=load.rate, seconds=self.seconds, seed=number))
            if found is not None:
                figures[resident.name] = found
            probe_seconds.append(self.probe.seconds())
        return Round(number, probe_seconds, figures)
