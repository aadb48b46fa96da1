"""The command line of the comparison."""

from pathlib import Path

import pytest

from comparison.run import main


def test_wrong_options_are_errors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", str(tmp_path)]) == 1
    assert "there is no image in it" in capsys.readouterr().err
    assert main(["--images", str(tmp_path), "--servers", "nginx"]) == 1
    assert "there is no server 'nginx'" in capsys.readouterr().err
    (tmp_path / "a.jpg").write_bytes(b"")
    assert main(["--images", str(tmp_path), "--rounds", "0"]) == 1
    assert "--rounds should be at least 1" in capsys.readouterr().err
