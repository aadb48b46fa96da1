"""The verbs of RetinaNet and FSAF, from a checkpoint on."""

from pathlib import Path

import pytest
import torch

from models.__main__ import main
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.checkpoint import write_checkpoint

SMALL = ["model.input_size=64", "model.channels=16", "model.tower_depth=1"]


def write(path: Path, name: str, settings: list[str]) -> Path:
    """An untrained checkpoint of a preset."""
    preset = override(find_preset(name), settings)
    torch.manual_seed(0)
    model = preset.build(("green", "red"))
    content = {
        "preset": preset.to_json(),
        "classes": ["green", "red"],
        "data_set": "voc/train",
        "golden": torch.zeros(64, 64, 3, dtype=torch.uint8),
        "model": model.state_dict(),
    }
    write_checkpoint(path, content)
    return path


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write(tmp_path / "best.pt", "retinanet-fsaf-320-mobilenet", SMALL)


def test_levels_draws_as_many_pictures_as_wanted(
    checkpoint: Path, voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(voc_tree), "--out", str(tmp_path / "levels"), "--count", "2", "--score-threshold", "0"]
    assert main(["analyse", "levels", str(checkpoint), *arguments]) == 0
    assert len(list((tmp_path / "levels").iterdir())) == 2
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "all"


def test_levels_of_a_model_without_anchor_free_branch_are_refused(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "best.pt", "retinanet-320-mobilenet", SMALL)
    assert main(["analyse", "levels", str(path), "--data", str(voc_tree), "--out", str(tmp_path / "levels")]) == 1
    assert "no anchor-free branch" in capsys.readouterr().err


@pytest.mark.parametrize("scales", ["served", "single", "multi"])
def test_a_checkpoint_is_measured_at_each_kind_of_scale(
    checkpoint: Path, voc_tree: Path, scales: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(checkpoint), "--data", str(voc_tree), "--scales", scales]) == 0
    assert "mean" in capsys.readouterr().out


def test_passd_has_one_size(voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "best.pt", "passd-320-mobilenet", ["model.input_size=64"])
    assert main(["evaluate", str(path), "--data", str(voc_tree), "--scales", "multi"]) == 1
    assert "takes pictures of one size" in capsys.readouterr().err
