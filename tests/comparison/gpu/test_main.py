"""`python -m comparison.gpu` on a machine without a GPU."""

from pathlib import Path

import pytest

from comparison.gpu import __main__ as command
from comparison.gpu.run import Step
from tests.tiny_bundle import write_tiny_bundle

NUM_COLUMNS = 4
OF_THE_SERVER = ["servers", "cores"]


def table_of(report: str) -> dict[str, list[str]]:
    """The rows of the first table: {step: cells}."""
    lines = [line for line in report.split("**")[0].splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[2:]]
    return {row[0]: row for row in rows}


def test_the_steps_of_the_network_that_need_no_gpu_run_on_the_cpu_and_the_others_are_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [step.name for step in command.STEPS if step.name not in OF_THE_SERVER]
    out = tmp_path / "report.md"
    status = command.main(["--cpu", "--steps", ",".join(names), "--out", str(out)])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert printed.endswith(out.read_text() + "\n")
    table = table_of(out.read_text())
    assert list(table) == names
    assert all(len(row) == NUM_COLUMNS for row in table.values())
    assert {name: row[1] for name, row in table.items()} == {
        step.name: "no GPU" if step.needs_gpu else "passed" for step in command.STEPS if step.name in names
    }
    assert "worst relative error" in table["kernel-numbers"][2]
    assert "| precision | batch size | on the GPU | on the CPU |" in out.read_text()


def test_the_steps_of_the_server_run_on_the_cpu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    status = command.main(["--cpu", "--steps", ",".join(OF_THE_SERVER), "--bundle", str(bundle.path)])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "| processes | offered/s | answered/s |" in printed
    assert "| cores | capacity/s | a core/s |" in printed


def test_a_failed_step_is_in_the_report_and_gives_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = "tests.comparison.gpu.broken_steps"
    steps = (Step("beyond-its-limit", "a step", 60, False, package), Step("good", "another", 60, False, package))
    monkeypatch.setattr(command, "STEPS", steps)
    assert command.main(["--cpu"]) == 1
    report = capsys.readouterr().out
    assert "| beyond-its-limit | failed: the error is 0.3, more than 0.1 | 4 cases |" in report
    assert "| good | passed | 2 \\| 3 cases |" in report
    assert "**Another.** Times in ms\n\n| batch | time |\n| --- | --- |\n| 1 | 1.235 |\n| 8 | True |\n" in report


def test_a_machine_without_a_gpu_is_told_of_the_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_gpu", lambda: None)
    assert command.main([]) == 2
    assert (
        "there is no NVIDIA GPU (`nvidia-smi` lists none); --cpu runs the steps that need none"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "kernel-numbers,lane"], "there is no step 'lane'; choose from kernel-numbers, "),
        (["--bundle", "no/such/bundle"], "no/such/bundle: there is no manifest.json"),
        (["--images", "no/such/images"], "no/such/images"),
        (["--out", "no/such/folder/report.md"], "no/such/folder/report.md"),
        (["--minutes", "-1"], "--minutes is -1; it must be more than 0"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_runs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--cpu", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_every_step_has_a_module() -> None:
    for step in command.STEPS:
        path = Path(command.__file__).parent / "steps" / f"{step.name.replace('-', '_')}.py"
        assert path.is_file(), step.module
        assert "def run(options: Options, findings: Findings)" in path.read_text()
