"""How many cores the server counts on."""

from pathlib import Path

import pytest

from service.cores import num_cores


@pytest.mark.parametrize(("limit", "cores"), [("100000 100000", 1), ("50000 100000", 1)])
def test_a_containers_limit_is_kept(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert num_cores(tmp_path / "cpu.max") == cores


@pytest.mark.parametrize("limit", ["max 100000", "100000000 100000", "strange"])
def test_no_limit_means_all_cores(tmp_path: Path, limit: str) -> None:
    (tmp_path / "cpu.max").write_text(limit)
    assert num_cores(tmp_path / "cpu.max") == num_cores(tmp_path / "none") >= 1
