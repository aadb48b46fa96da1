"""What a resumed run takes over, what may change and what is refused."""

from pathlib import Path
from typing import Any

import pytest
import torch

from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.checkpoint import CheckpointError, read_checkpoint, write_checkpoint
from models.training.resume import restore, saved_preset
from models.training.run_state import Run, TrainingError, new_run, save

CLASSES = ("green", "red")
PRESET = override(
    find_preset("retinanet-320-mobilenet"),
    [
        *("model.input_size=64", "model.channels=16", "model.tower_depth=1", "init=none", "optim.precision=fp32"),
        *("optim.epochs=30", "optim.lr=0.003"),
    ],
)


def data(fingerprint: str) -> dict[str, Any]:
    return {"name": "voc/train", "num_images": 6, "fingerprint": fingerprint}


def origin(*settings: str, **changes: Any) -> dict[str, Any]:
    return {
        "preset": override(PRESET, list(settings)).to_json(),
        "classes": list(CLASSES),
        "data": {"training": data("a"), "validation": data("b")},
        "precision": "fp32",
    } | changes


def write_interrupted(path: Path, *settings: str) -> Path:
    """The checkpoint of a run after a step with random gradients."""
    run = new_run(override(PRESET, list(settings)), CLASSES, "cpu", pretrained=False)
    for parameter in run.model.parameters():
        parameter.grad = torch.randn_like(parameter)
    run.optimizer.step()
    run.epoch, run.best_ap = 3, 0.25
    save(run, origin(*settings), path, None)
    return path


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run; tests must not write to it."""
    return write_interrupted(tmp_path_factory.mktemp("interrupted") / "last.pt", "optim.ema=0.9")


@pytest.fixture(scope="module")
def run() -> Run:
    """A run into which tests load the interrupted one."""
    return new_run(override(PRESET, ["optim.ema=0.9"]), CLASSES, "cpu", pretrained=False)


def resume(run: Run, path: Path, *settings: str, **changes: Any) -> list[str]:
    preset = override(saved_preset(path, PRESET.name), list(settings))
    return restore(run, read_checkpoint(path), path, preset, origin(**changes))


def test_a_run_keeps_its_own_settings(run: Run, interrupted: Path) -> None:
    assert resume(run, interrupted) == []
    assert (run.epoch, run.best_ap) == (3, 0.25)
    preset = saved_preset(interrupted, PRESET.name)
    assert (preset.optim.epochs, preset.optim.lr, preset.optim.ema) == (30, 0.003, 0.9)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_changed_hyperparameters_apply_and_are_named(optimizer: str, tmp_path: Path) -> None:
    path = write_interrupted(tmp_path / "last.pt", f"optim.optimizer={optimizer}")
    changes = ["optim.weight_decay=0.3", "optim.momentum=0.5"]
    run = new_run(override(saved_preset(path, PRESET.name), changes), CLASSES, "cpu", pretrained=False)
    assert resume(run, path, *changes) == [
        "optim.momentum was 0.9 and is 0.5 from here on",
        "optim.weight_decay was 0.05 and is 0.3 from here on",
    ]
    groups = run.optimizer.param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0][: len(groups)]
    assert [group.get("momentum", group.get("betas", [0])[0]) for group in groups] == [0.5] * len(groups)
    assert len(run.optimizer.state) > 50


@pytest.mark.parametrize(
    ("setting", "note"),
    [
        ("optim.batch_size=4", "optim.batch_size was 8 and is 4 from here on"),
        ("optim.epochs=60", "optim.epochs was 30 and is 60 from here on"),
        ("optim.ema=0.99", "optim.ema was 0.9 and is 0.99 from here on"),
        ("augment.vertical_flip=0.5", "augment.vertical_flip was 0.0 and is 0.5 from here on"),
    ],
)
def test_what_may_change_is_named(setting: str, note: str, run: Run, interrupted: Path) -> None:
    assert note in resume(run, interrupted, setting)


@pytest.mark.parametrize(
    "setting",
    [
        "model.channels=32",
        "model.max_candidates=5",
        "seed=1",
        "init=imagenet",
        "init_from=x.pt",
        "best_by=AP50:95",
        "optim.ema=0",
    ],
)
def test_what_would_not_fit_the_saved_state_is_refused(setting: str, run: Run, interrupted: Path) -> None:
    name = setting.partition("=")[0]
    with pytest.raises(TrainingError, match=rf"last\.pt: {name} of that run is .*; resume it without this change"):
        resume(run, interrupted, setting)


def test_another_optimizer_or_preset_is_refused(run: Run, interrupted: Path) -> None:
    with pytest.raises(TrainingError, match=r"optim\.optimizer of that run is adamw, not sgd"):
        resume(run, interrupted, "optim.optimizer=sgd")
    with pytest.raises(
        TrainingError, match=r"that run is of retinanet-320-mobilenet, not of passd; resume it as retina"
    ):
        saved_preset(interrupted, "passd")


def test_another_validation_set_or_none_is_refused(run: Run, interrupted: Path) -> None:
    for validation in (data("c"), None):
        with pytest.raises(
            TrainingError, match="the validation data of that run differ: voc/train with 6 images before"
        ):
            resume(run, interrupted, data={"training": data("a"), "validation": validation})


def test_another_precision_is_named(run: Run, interrupted: Path) -> None:
    assert resume(run, interrupted, precision="bf16") == ["the precision was fp32 and is bf16 from here on"]


def test_a_checkpoint_of_an_older_version_is_resumed_without_comparing_data(
    run: Run, interrupted: Path, tmp_path: Path
) -> None:
    content = read_checkpoint(interrupted)
    for name in ("data", "precision", "scaler"):
        del content[name]
    write_checkpoint(tmp_path / "last.pt", content)
    [note] = resume(run, tmp_path / "last.pt")
    assert note.startswith("an older version wrote last.pt, without its data")


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"last\.pt: no such file"):
        saved_preset(tmp_path / "last.pt", PRESET.name)
