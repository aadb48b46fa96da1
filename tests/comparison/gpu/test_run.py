"""Each step is a process of its own: whatever it does, the next one runs, and the report says what happened."""

import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from comparison.gpu.run import Step, run_step, run_steps
from comparison.gpu.step import Options, Outcome, SkippedError, require_module

PACKAGE = "tests.comparison.gpu.broken_steps"


def step(name: str, *, needs_gpu: bool = False) -> Step:
    return Step(name, f"the step {name}", 60, needs_gpu, PACKAGE)


def options(work: Path) -> Options:
    return Options(is_cpu=True, bundle=work, images=work, work=work)


def ignore(outcomes: Mapping[str, Outcome]) -> None:
    """No report."""


def test_a_step_hands_back_its_figures_and_tables(tmp_path: Path) -> None:
    outcome = run_step(step("good"), options(tmp_path), 60)
    assert (outcome.label, outcome.figures) == ("passed", ["2 | 3 cases"])
    assert outcome.tables == {"Times in ms": [{"batch": "1", "time": "1.235"}, {"batch": "8", "time": "True"}]}


@pytest.mark.parametrize(
    ("name", "label", "figures"),
    [
        ("beyond-its-limit", "failed: the error is 0.3, more than 0.1", ["4 cases"]),
        ("crash", "failed: ended with status -6; last line: the last words", ["1 case"]),
        ("missing-package", "skipped: needs torchmagic", []),
        ("missing-module", "failed: No module named 'service.no_such_module'", []),
    ],
)
def test_a_step_that_does_not_end_well_says_why_and_keeps_its_figures(
    tmp_path: Path, name: str, label: str, figures: list[str]
) -> None:
    outcome = run_step(step(name), options(tmp_path), 60)
    assert (outcome.label, outcome.figures) == (label, figures)


def test_a_step_past_its_limit_is_killed_with_the_processes_that_it_started(tmp_path: Path) -> None:
    outcome = run_step(step("hang"), options(tmp_path), 5)
    assert outcome.label == "failed: stopped after its limit of 5 s"
    child = tmp_path / "child"
    assert child.exists(), "the step did not come as far as starting its process; raise the limit of this test"
    assert wait_until_dead(int(child.read_text()))
    assert outcome.figures == ["3 cases"]


def wait_until_dead(pid: int) -> bool:
    """Wait until the process is killed -> whether that took less than ten seconds.

    The signal has been sent, but the system may need a moment; a dead process may stay as a zombie.
    """
    give_up_at = time.monotonic() + 10
    while time.monotonic() < give_up_at:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def test_a_failing_step_does_not_stop_the_next_ones(tmp_path: Path) -> None:
    steps = [step("missing-module"), step("good", needs_gpu=True), step("missing-package")]
    reported: list[list[str]] = []
    outcomes = run_steps(
        steps,
        options(tmp_path),
        seconds=120,
        report=lambda found: reported.append([one.state for one in found.values()]),
    )
    assert [outcome.state for outcome in outcomes.values()] == ["failed", "no GPU", "skipped"]
    assert reported == [["failed"], ["failed", "no GPU"], ["failed", "no GPU", "skipped"]]


def test_a_step_for_which_no_time_is_left_is_skipped(tmp_path: Path) -> None:
    outcomes = run_steps([step("good")], options(tmp_path), seconds=1, report=ignore)
    assert outcomes["good"].label == "skipped: no time was left; raise --minutes, or choose it with --steps"


def test_a_step_asks_for_a_package_by_the_name_under_which_it_is_installed() -> None:
    require_module("json", "the-standard-library")
    with pytest.raises(SkippedError, match="needs cuda-bindings"):
        require_module("no_such_module", "cuda-bindings")
