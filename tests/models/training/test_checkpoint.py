"""Checkpoints are written completely or not at all; files that are not checkpoints are refused."""

import re
import resource
from pathlib import Path
from typing import Any

import pytest
import torch

from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.checkpoint import CheckpointError, load_model, read_checkpoint, write_checkpoint


def content(**changes: Any) -> dict[str, Any]:
    """The content of a checkpoint with an untrained model for 64 pixels."""
    preset = override(find_preset("passd-320-mobilenet"), ["model.input_size=64"])
    torch.manual_seed(3)
    return {
        "preset": preset.to_json(),
        "classes": ["green", "red"],
        "data_set": "voc/train",
        "golden": torch.zeros(64, 64, 3, dtype=torch.uint8),
        "model": preset.build(("green", "red")).state_dict(),
    } | changes


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"epoch": 3, "name": "x", "tensor": torch.arange(3)})
    read = read_checkpoint(path)
    assert (read["epoch"], read["name"], read["tensor"].tolist()) == (3, "x", [0, 1, 2])
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_failed_write_leaves_the_previous_checkpoint_intact(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"epoch": 3})
    with pytest.raises(Exception, match="pickle"):
        write_checkpoint(path, {"epoch": 4, "oops": lambda: None})
    assert read_checkpoint(path)["epoch"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_the_error_about_a_missing_file_says_what_writes_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"best\.pt: no such file; .*--out folder"):
        read_checkpoint(tmp_path / "best.pt")


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", b"PK\x03\x04 but no zip"])
def test_a_file_that_is_not_a_checkpoint_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "odd.pt"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"odd\.pt: not a readable checkpoint"):
        read_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.pt"
    write_checkpoint(path, {"tensor": torch.rand(10_000)})
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(CheckpointError, match=r"cut\.pt: not a readable checkpoint"):
        read_checkpoint(path)


def test_files_with_other_tensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    for other in ({"weights": torch.rand(3)}, torch.rand(3), {"format": 99}):
        torch.save(other, path)
        with pytest.raises(CheckpointError, match=r"other\.pt: not a checkpoint of this version"):
            read_checkpoint(path)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    torch.save({"format": 1, "trap": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "trap.pt")
    assert not (tmp_path / "ran").exists()


def test_a_loaded_model_has_its_weights_and_origin(tmp_path: Path) -> None:
    path, written = tmp_path / "best.pt", content()
    write_checkpoint(path, written)
    trained = load_model(path)
    assert (trained.classes, trained.data_set, trained.preset.model.input_size) == (("green", "red"), "voc/train", 64)
    assert not trained.model.training
    for name, tensor in trained.model.state_dict().items():
        assert torch.equal(tensor, written["model"][name])


def test_averaged_weights_are_preferred(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    averaged = {name: torch.zeros_like(tensor) for name, tensor in content()["model"].items()}
    write_checkpoint(path, content(averaged=averaged))
    assert not any(p.any() for p in load_model(path).model.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"preset": '{"name": "x", "model": {"backbone": "mobilenet", "input_size": 64, "wings": 2}, "optim": {}}'},
        {"model": {"backbone.wings": torch.zeros(2)}},
        {"preset": "{}"},
    ],
)
def test_a_checkpoint_of_another_version_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "best.pt"
    write_checkpoint(path, content(**changes))
    with pytest.raises(CheckpointError, match=re.escape(str(path)) + ": written by another version"):
        load_model(path)


def test_a_full_disk_is_named_and_leaves_the_old_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    write_checkpoint(path, {"epoch": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"last\.pt: File too large: it was not written"):
            write_checkpoint(path, {"epoch": 2, "model": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_checkpoint(path)["epoch"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["last.pt"]
