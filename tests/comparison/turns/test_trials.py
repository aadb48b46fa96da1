"""The choice of a server's setting."""

from dataclasses import replace

from comparison.peers import PEERS, Setting
from comparison.turns.figures import Figures
from comparison.turns.rounds import Load, Round
from comparison.turns.trials import in_best_setting, trials_of

PEER = replace(PEERS[1], settings=(Setting("a", {"X": "1"}), Setting("b", {"X": "2"})), environment={"Y": "3"})


def load(*capacities: dict[str, float]) -> Load:
    figures = [{name: Figures(capacity) for name, capacity in found.items()} for found in capacities]
    return Load(None, None, [Round(number, [1.0, 1.0], found) for number, found in enumerate(figures)])


def test_the_setting_with_the_best_median_is_used() -> None:
    trials = trials_of(PEER, load({"a": 10.0, "b": 11.0}, {"a": 12.0, "b": 13.0}, {"a": 99.0, "b": 12.0}))
    assert [(trial.setting, trial.is_best) for trial in trials] == [("a", True), ("b", False)]
    trials = trials_of(PEER, load({"a": 10.0, "b": 11.0}, {"a": 10.0, "b": 13.0}, {"a": 99.0, "b": 12.0}))
    best = in_best_setting(PEER, trials)
    assert [setting.name for setting in best.settings] == ["b"]
    assert best.environment == {"Y": "3", "X": "2"}


def test_a_setting_that_failed_is_not_used() -> None:
    trials = trials_of(PEER, load({"b": 1.0}))
    assert trials[0].capacity is None
    assert [trial.is_best for trial in trials] == [False, True]


def test_the_first_setting_is_used_if_none_was_tried_or_none_could_be_measured() -> None:
    assert in_best_setting(PEER, []).settings[0].name == "a"
    assert in_best_setting(PEER, trials_of(PEER, load())).settings[0].name == "a"
