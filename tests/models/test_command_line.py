"""The defaults of options that several commands have."""

import pytest

from models import command_line


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
