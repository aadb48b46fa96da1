"""Servers that take turns, with small servers in processes of their own."""

import signal
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from comparison.turns.progress import Progress
from comparison.turns.resident import Resident
from comparison.turns.residents import Residents
from comparison.turns.rounds import Load
from comparison.turns.schedule import Schedule
from tests.comparison.stand_in import IMAGES, quick_probe, shorten, stand_in


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture
def failures() -> dict[str, str]:
    return {}


@pytest.fixture
def residents(failures: dict[str, str], tmp_path: Path) -> Iterator[Residents]:
    with Residents(IMAGES, tmp_path, failures) as found:
        for name in ("a", "b"):
            found.start(name, stand_in(name))
        yield found


def schedule(residents: Residents, num_rounds: int) -> Schedule:
    return Schedule(residents, quick_probe(), Progress(1.0), num_rounds, seconds=0.2)


def states(residents: Residents) -> Mapping[str, set[str]]:
    return {found.name: {process.status() for process in found.processes.all()} for found in residents.all}


def test_only_the_server_whose_turn_it_is_runs(residents: Residents) -> None:
    assert states(residents) == {"a": {psutil.STATUS_STOPPED}, "b": {psutil.STATUS_STOPPED}}
    during = residents.turn(residents.all[1], lambda _: states(residents))
    assert during is not None
    assert during["a"] == {psutil.STATUS_STOPPED}
    assert psutil.STATUS_STOPPED not in during["b"]
    assert states(residents)["b"] == {psutil.STATUS_STOPPED}


def test_a_paused_server_ends(residents: Residents) -> None:
    processes = [process for found in residents.all for process in found.processes.all()]
    assert len(processes) == 2
    residents.__exit__()
    assert not any(process.is_running() for process in processes)


@pytest.mark.parametrize("rate", [None, 200.0])
def test_each_round_has_the_figures_of_every_server(residents: Residents, rate: float | None) -> None:
    load = Load(None if rate is None else 0.6, rate)
    schedule(residents, 2).run(load, "load")
    assert {found.number for found in load.rounds} == {0, 1}
    for found in load.rounds:
        assert len(found.probe_seconds) == 3
        assert all(figures.throughput > 0 for figures in found.figures.values())
    assert list(load.rounds[0].figures) == ["a", "b"]
    assert list(load.rounds[1].figures) == ["b", "a"]


def test_a_server_that_dies_in_a_pause_is_left_out_and_the_others_go_on(
    residents: Residents, failures: dict[str, str]
) -> None:
    (process,) = residents.all[0].processes.all()
    process.send_signal(signal.SIGKILL)
    process.wait()
    load = Load(0.6, 200.0)
    schedule(residents, 1).run(load, "load")
    assert list(load.rounds[0].figures) == ["b"]
    assert "1 of its 1 processes ended" in failures["a"]
    assert [found.name for found in residents.all] == ["b"]


def test_a_server_that_ends_in_its_turn_has_no_figures_and_its_log_is_told(
    residents: Residents, failures: dict[str, str]
) -> None:
    def end(found: Resident) -> str:
        post(found, "/end")
        return "a result"

    assert residents.turn(residents.all[0], end) is None
    assert "last lines of its log: asked to end" in failures["a"]


def test_a_server_that_answers_with_errors_only_is_left_out(residents: Residents, failures: dict[str, str]) -> None:
    residents.turn(residents.all[0], lambda found: post(found, "/busy"))
    load = Load(None, None)
    schedule(residents, 1).run(load, "load")
    assert list(load.rounds[0].figures) == ["b"]
    assert "it answers no more" in failures["a"]


def post(resident: Resident, path: str) -> None:
    """Send a request, whatever the answer is."""
    request = urllib.request.Request(f"http://127.0.0.1:{resident.target.port}{path}", b"", method="POST")
    with suppress(OSError):
        urllib.request.urlopen(request, timeout=10)
