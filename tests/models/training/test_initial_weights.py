"""Runs that start from a trained model: what fits is loaded, and what does not is reported."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from models.backbones.download import PretrainedError
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import Preset
from models.training.checkpoint import load_model, write_checkpoint
from models.training.initial_weights import copy_filters, set_initial_weights

PASSD = override(find_preset("passd-320-mobilenet"), ["model.input_size=64", "init=none"])
SMALL = ["model.input_size=64", "model.channels=8", "model.tower_depth=1", "init=none"]
JOINT = override(find_preset("retinanet-fsaf-320-mobilenet"), SMALL)
BACKGROUND = 0  # of PASSD's scores; class i is i + 1


def checkpoint(path: Path, preset: Preset, classes: tuple[str, ...], **more: Any) -> Path:
    """A checkpoint of a model with random weights and biases; `more` is added to its content."""
    torch.manual_seed(5)
    state = {
        name: tensor + 0.01 * torch.rand_like(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in preset.build(classes).state_dict().items()
    }
    content = {
        "preset": preset.to_json(),
        "classes": list(classes),
        "data_set": "old/train",
        "golden": torch.zeros(64, 64, 3, dtype=torch.uint8),
        "model": state,
    }
    write_checkpoint(path, content | more)
    return path


def start(preset: Preset, path: Path, classes: tuple[str, ...]) -> tuple[Any, dict[str, Tensor], dict[str, Tensor]]:
    """A model that starts from a checkpoint -> the model, its first weights, and those of the checkpoint."""
    preset = override(preset, [f"init_from={path}"])
    model = preset.build(classes)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    set_initial_weights(model, preset)
    return model, before, load_model(path).model.state_dict()


def by_box(filters: Tensor, num_scores: int) -> Tensor:
    """(A*C, ...) -> (A, C, ...)."""
    return filters.view(-1, num_scores, *filters.shape[1:])


def test_passd_keeps_the_background_and_the_classes_of_the_same_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(tmp_path / "best.pt", PASSD, ("a", "b", "c"))
    model, before, there = start(PASSD, path, ("c", "d"))
    for name, tensor in model.state_dict().items():
        if not name.startswith("attending.scores."):
            assert torch.equal(tensor, there[name]), name
            continue
        own, old, new = by_box(tensor, 3), by_box(there[name], 4), by_box(before[name], 3)
        assert torch.equal(own[:, BACKGROUND], old[:, BACKGROUND])
        assert torch.equal(own[:, 1], old[:, 3])  # c
        assert torch.equal(own[:, 2], new[:, 2])  # d
    lines = capsys.readouterr().out.splitlines()
    num = len(before)
    assert lines[0] == f"starts from {path} (old/train): {num} of {num} tensors are loaded"
    assert lines[1:] == ["  classes: kept c; new d; dropped a, b"]


def test_both_branches_of_retinanet_keep_the_classes_of_the_same_name(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "best.pt", JOINT, ("a", "b", "c"))
    model, before, there = start(JOINT, path, ("c", "d"))
    for name, tensor in model.state_dict().items():
        if ".scores." not in name:
            assert torch.equal(tensor, there[name]), name
            continue
        own, old, new = by_box(tensor, 2), by_box(there[name], 3), by_box(before[name], 2)
        assert len(own) == (9 if "anchor_based" in name else 1)
        assert torch.equal(own[:, 0], old[:, 2])
        assert torch.equal(own[:, 1], new[:, 1])


@pytest.mark.parametrize("preset", [PASSD, JOINT], ids=["passd", "retinanet"])
def test_a_model_with_the_same_classes_gives_the_same_outputs(preset: Preset, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "best.pt", preset, ("a", "b"))
    new, _, _ = start(preset, path, ("a", "b"))
    old = load_model(path).model
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        (boxes, scores), (old_boxes, old_scores) = (model.decode(model(images)) for model in (new.eval(), old))
    assert scores.std() > 0
    assert torch.equal(boxes, old_boxes)
    assert torch.equal(scores, old_scores)


def test_averaged_weights_are_taken_if_there_are_any(tmp_path: Path) -> None:
    torch.manual_seed(9)
    averaged = {name: torch.rand_like(tensor.float()) for name, tensor in JOINT.build(("a",)).state_dict().items()}
    path = checkpoint(tmp_path / "best.pt", JOINT, ("a",), averaged=averaged)
    model, _, _ = start(JOINT, path, ("a",))
    assert torch.equal(model.fpn.p6.weight, averaged["fpn.p6.weight"])


def test_the_report_names_what_is_not_loaded_and_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(tmp_path / "best.pt", override(PASSD, ["model.box_scales=(1.0,)"]), ("a",))
    model, before, there = start(override(PASSD, ["model.box_scales=(1.0,2.0)", "model.box_size=3"]), path, ("a",))
    for name in ("proposals.weight", "attending.scores.weight", "attending.deltas.bias"):
        assert torch.equal(model.state_dict()[name], before[name])
    assert torch.equal(model.fpn.outputs[0][0].weight, there["fpn.outputs.0.0.weight"])
    head, *lines = capsys.readouterr().out.splitlines()
    assert f"{len(before) - 8} of {len(before)} tensors" in head
    assert lines[:4] == [
        "  classes: kept a",
        "  differs: model.box_size: 4.0 there, 3.0 here",
        "  differs: model.box_scales: (1.0,) there, (1.0, 2.0) here",
        "  not loaded: objectness.weight: 2x256x3x3 there, 4x256x3x3 here",
    ]
    assert "  not loaded: attending.scores.bias: 2 for 2 scores there, 4 here" in lines


def test_a_branch_that_the_checkpoint_lacks_stays_new(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    anchor_free = override(JOINT, ["model.branches=anchor-free"])
    start(JOINT, checkpoint(tmp_path / "free.pt", anchor_free, ("a",)), ("a",))
    assert "  not loaded: anchor_based.deltas.bias: not in the checkpoint" in capsys.readouterr().out.splitlines()
    start(anchor_free, checkpoint(tmp_path / "joint.pt", JOINT, ("a",)), ("a",))
    assert "  not used: anchor_based.deltas.bias: 36, not in this model" in capsys.readouterr().out.splitlines()


def test_a_long_report_is_cut_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(override(JOINT, ["model.channels=16"]), checkpoint(tmp_path / "best.pt", JOINT, ("a",)), ("a",))
    head, *lines = capsys.readouterr().out.splitlines()
    loaded, total = map(int, re.findall(r"(\d+) of (\d+) tensors", head)[0])
    num_named = sum(line.startswith("  not loaded") for line in lines)
    assert lines[-1] == f"  and {total - loaded - num_named} more tensors"


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        (JOINT, "a PASSD with mobilenet, but retinanet-fsaf-320-mobilenet is a RetinaNet with mobilenet; choose a"),
        (find_preset("passd-320-vgg16"), "a PASSD with mobilenet, but passd-320-vgg16 is a PASSD with vgg16; choose a"),
    ],
)
def test_another_kind_of_model_is_refused(preset: Preset, message: str, tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "best.pt", PASSD, ("a",))
    with pytest.raises(PretrainedError, match=re.escape(f"{path}: {message}")):
        start(preset, path, ("a",))


def test_random_weights_are_not_frozen() -> None:
    preset = override(PASSD, ["optim.freeze_backbone_epochs=2"])
    with pytest.raises(PretrainedError, match="freeze_backbone_epochs=2 would freeze random weights; set it to 0"):
        set_initial_weights(preset.build(("a",)), preset)


def test_filters_of_another_number_of_boxes_are_not_copied() -> None:
    target = torch.zeros(4, 1)
    assert not copy_filters(torch.ones(3, 1), ("a",), target, ("a", "b"))
    assert not target.any()
    assert copy_filters(torch.tensor([[1.0], [2.0]]), ("a",), target, ("b", "a"))
    assert target.flatten().tolist() == [0, 1, 0, 2]
