"""The command line of the comparison, and the order of its measurements."""

from pathlib import Path

import pytest

from comparison.peers import OURS, Setting
from comparison.report.results import Comparison
from comparison.run import Plan, compare, main
from tests.comparison.report.comparisons import MACHINE
from tests.comparison.stand_in import IMAGES, quick_probe, shorten, stand_in

PEERS = [stand_in(OURS), stand_in("tuned", Setting("slow", {"STAND_IN_SECONDS": "0.1"}), Setting("fast"))]


def plan(folder: Path) -> Plan:
    return Plan(IMAGES, folder, seconds=0.3, num_rounds=1, has_trials=True)


def empty() -> Comparison:
    return Comparison(MACHINE, 250.0, seconds=0.3, num_rounds=1, loop_cpu_ms={}, probe_images=0)


def test_wrong_options_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", str(tmp_path)]) == 1
    assert "there is no image in it" in capsys.readouterr().err
    assert main(["--images", str(tmp_path), "--servers", "nginx"]) == 1
    assert "there is no server 'nginx'" in capsys.readouterr().err
    (tmp_path / "a.jpg").write_bytes(b"")
    assert main(["--images", str(tmp_path), "--rounds", "0"]) == 1
    assert "--rounds should be at least 1" in capsys.readouterr().err


def test_the_best_setting_is_used_for_the_capacity_and_all_loads_and_each_step_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    monkeypatch.setattr("comparison.run.SHARES", (0.6, 1.2))
    comparison, saved = empty(), list[int]()
    compare(plan(tmp_path), PEERS, quick_probe(), comparison, lambda: saved.append(len(comparison.loads)))
    assert comparison.failures == {}
    assert [(trial.setting, trial.is_best) for trial in comparison.trials] == [("slow", False), ("fast", True)]
    assert [(found.server, found.setting) for found in comparison.standings] == [(OURS, "as it is"), ("tuned", "fast")]
    assert [load.share for load in comparison.loads] == [None, 0.6, 1.2]
    assert all(set(load.rounds[0].figures) == {OURS, "tuned"} for load in comparison.loads)
    assert saved == [0, 0, 1, 2, 3]


def test_an_interruption_keeps_the_loads_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)
    comparison = empty()

    def interrupt_after_the_capacity() -> None:
        if comparison.loads:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(plan(tmp_path), PEERS[:1], quick_probe(), comparison, interrupt_after_the_capacity)
    assert len(comparison.loads[0].rounds) > 0
