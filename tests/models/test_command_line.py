"""Options that several commands have: their defaults, and options that are given twice."""

import pytest

from models import command_line
from models.__main__ import parser


@pytest.mark.parametrize(
    ("asked", "device", "cores", "processes", "expected"),
    [
        (None, "cpu", 64, 1, 1),
        (None, "cuda", 64, 1, 8),
        (None, "cuda:1", 16, 4, 4),
        (None, "cuda", 1, 2, 1),
        (0, "cuda", 64, 1, 0),
    ],
)
def test_workers_share_the_cores_among_the_processes_of_a_gpu(
    asked: int | None, device: str, cores: int, processes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command_line, "num_cores", lambda: cores)
    monkeypatch.setattr(command_line, "num_processes", lambda: processes)
    assert command_line.num_workers(asked, device) == expected


@pytest.mark.parametrize("command", ["train p --out O --val-split", "analyse ablation p --out O --test-split"])
def test_a_second_split_that_would_replace_the_first_is_refused(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option = command.split()[-1]
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "a", option, "b", "--data", "D"])
    assert f"{option} may be given once only" in capsys.readouterr().err
