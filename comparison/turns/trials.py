"""Finds the best setting of a server: all its settings take turns in the closed loop."""

from collections.abc import Sequence
from dataclasses import dataclass

from comparison.peers import Peer
from comparison.turns.rounds import Load
from comparison.turns.spread import Spread, spread_of


@dataclass(frozen=True)
class Trial:
    """A setting that was tried."""

    server: str
    setting: str
    capacity: Spread | None  # answers a second; None if it could not be measured
    is_best: bool


def trials_of(peer: Peer, load: Load) -> list[Trial]:
    """The settings of a server with their capacities. `load` has the rounds of a closed loop, by setting."""
    capacities = {
        setting.name: spread_of([r.figures[setting.name].throughput for r in load.kept if setting.name in r.figures])
        for setting in peer.settings
    }
    best = best_of(capacities)
    return [Trial(peer.name, name, capacity, name == best) for name, capacity in capacities.items()]


def best_of(capacities: dict[str, Spread | None]) -> str:
    """The setting with the best median; the first one if no setting could be measured."""
    return max(capacities, key=lambda name: -1.0 if (found := capacities[name]) is None else found.median)


def in_best_setting(peer: Peer, trials: Sequence[Trial]) -> Peer:
    """The server in the setting that the trials found best, or in its first one if there are no trials of it."""
    best = {trial.setting for trial in trials if trial.server == peer.name and trial.is_best}
    return peer.configured(next((setting for setting in peer.settings if setting.name in best), peer.settings[0]))
