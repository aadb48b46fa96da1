"""`analyse levels` on a checkpoint."""

from pathlib import Path

import pytest

from models.__main__ import main
from tests.models.untrained_checkpoint import write_untrained

SMALL = ["model.input_size=64", "model.channels=16", "model.tower_depth=1"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_untrained(tmp_path / "best.pt", "retinanet-fsaf-320-mobilenet", SMALL)


def test_levels_draws_the_requested_number_of_images(
    checkpoint: Path, voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(voc_tree), "--out", str(tmp_path / "levels"), "--count", "2", "--score-threshold", "0"]
    assert main(["analyse", "levels", str(checkpoint), *arguments]) == 0
    assert len(list((tmp_path / "levels").iterdir())) == 2
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "all"


def test_levels_of_a_model_without_anchor_free_branch_are_refused(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_untrained(tmp_path / "best.pt", "retinanet-320-mobilenet", SMALL)
    assert main(["analyse", "levels", str(path), "--data", str(voc_tree), "--out", str(tmp_path / "levels")]) == 1
    assert "no anchor-free branch" in capsys.readouterr().err
