"""The checkpoint with the best AP on the validation split, and runs that are resumed when they are complete."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.__main__ import main
from models.data.open import open_data_set
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import Preset
from models.training.checkpoint import read_checkpoint, write_checkpoint
from models.training.run_state import TrainingError
from models.training.train import train


def preset(epochs: int) -> Preset:
    settings = ("init=none", "model.input_size=64", "optim.batch_size=2", "optim.precision=fp32", "evaluate_every=1")
    return override(find_preset("passd-320-mobilenet"), [*settings, f"optim.epochs={epochs}"])


def test_a_best_checkpoint_that_is_lost_is_not_compared_with(voc_tree: Path, tmp_path: Path) -> None:
    train_set, val_set = (open_data_set(voc_tree, split) for split in ("train", "test"))
    val_set = replace(val_set, samples=val_set.samples[:1])
    train(preset(1), train_set, val_set, tmp_path, num_workers=0)
    write_checkpoint(tmp_path / "last.pt", read_checkpoint(tmp_path / "last.pt") | {"best_ap": 2.0})
    (tmp_path / "best.pt").unlink()
    train(preset(2), train_set, val_set, tmp_path, resume=True, num_workers=0)
    best, last = (read_checkpoint(tmp_path / name) for name in ("best.pt", "last.pt"))
    assert (best["epoch"], last["epoch"]) == (2, 2)
    assert best["best_ap"] == last["best_ap"] <= 1


def test_a_validation_split_in_which_no_object_counts_is_refused(voc_tree: Path, tmp_path: Path) -> None:
    val_set = open_data_set(voc_tree, "test")
    uncounted = tuple(replace(sample, is_difficult=np.ones(len(sample.boxes), bool)) for sample in val_set.samples)
    with pytest.raises(TrainingError, match=r"voc/test: all its objects are difficult or crowds, .*choose another"):
        train(preset(1), open_data_set(voc_tree, "train"), replace(val_set, samples=uncounted), tmp_path, num_workers=0)


def test_a_run_with_nothing_left_to_train_says_so(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_set = open_data_set(voc_tree, "train")
    train(preset(2), train_set, None, tmp_path, num_workers=0)
    for epochs in (1, 2):
        capsys.readouterr()
        train(preset(epochs), train_set, None, tmp_path, resume=True, num_workers=0)
        assert capsys.readouterr().out == (
            f"nothing is left to train: {tmp_path / 'last.pt'} is of epoch 2, and optim.epochs is {epochs}; "
            "a larger --epochs continues that run\n"
        )


def test_a_run_of_a_preset_that_no_longer_exists_is_resumed(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(replace(preset(1), name="gone"), open_data_set(voc_tree, "train"), None, tmp_path, num_workers=0)
    capsys.readouterr()
    options = ["--data", str(voc_tree), "--split", "train", "--out", str(tmp_path), "--device", "cpu"]
    assert main(["train", "gone", *options, "--resume"]) == 0
    assert "nothing is left to train" in capsys.readouterr().out
    assert main(["train", "passd-320-mobilenet", *options, "--resume"]) == 1
    assert "that run is of gone, not of passd-320-mobilenet; resume it as gone" in capsys.readouterr().err
    assert main(["train", "gone", *options]) == 1
    assert "no preset 'gone'" in capsys.readouterr().err
