"""A frozen trunk: its weights and statistics do not change, those of all other layers do."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from models.data.open import open_data_set
from models.detector import Targets
from models.layers.batch_norm import FrozenBatchNorm2d
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import Preset
from models.training.checkpoint import read_checkpoint
from models.training.run_state import new_run
from models.training.train import add_gradients, train
from models.training.trunk import Trunk
from tests.models.pictures import CLASSES
from tests.models.untrained_checkpoint import write_untrained

SETTINGS = ["init=none", "model.input_size=64", "optim.batch_size=3", "optim.precision=fp32", "optim.warmup_epochs=0"]
SMALL = [*SETTINGS, "model.channels=8", "model.tower_depth=1"]  # of RetinaNet
PRESET = override(find_preset("passd-320-mobilenet"), [*SETTINGS, "optim.lr=0.001"])


@pytest.fixture
def own_group(tmp_path: Path) -> Iterator[None]:
    """A group of this process alone."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def step(model: Any, forward: nn.Module, trunk: Trunk, preset: Preset) -> dict[str, Tensor]:
    """One step of SGD with weight decay -> the weights before it."""
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9, weight_decay=0.1)
    torch.manual_seed(0)
    images = torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)
    targets = [Targets(torch.tensor([[4.0, 4, 40, 44]]), torch.tensor([1]))] * 2
    forward.train()
    trunk.fix_statistics()
    add_gradients(forward, model, (images, targets), preset.optim, "cpu")
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return before


def parts_that_differ(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    """The parts of a model of which some tensor differs; those of the base network by their own names."""
    names = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    return {name.split(".")[name.startswith("backbone.")] for name in names}


def test_only_the_trunk_is_frozen_until_it_is_trained_again() -> None:
    model = PRESET.build(CLASSES)
    trunk = Trunk(model)
    heads = {"extra", "fpn", "objectness", "proposals", "attending"}
    assert trunk.freeze(True)
    assert not trunk.freeze(True)  # nothing changed
    assert parts_that_differ(step(model, model, trunk, PRESET), model.state_dict()) == heads
    assert trunk.freeze(False)
    assert parts_that_differ(step(model, model, trunk, PRESET), model.state_dict()) == {"stages", *heads}


def test_what_was_frozen_before_stays_frozen() -> None:
    with torch.device("meta"):
        model = find_preset("retinanet-320-resnet50").build(CLASSES)
    before = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    assert not before["backbone.layer1.0.conv1.weight"]
    assert isinstance(model.get_submodule("backbone.bn1"), FrozenBatchNorm2d)
    trunk = Trunk(model)
    trunk.freeze(True)
    assert not any(parameter.requires_grad for parameter in model.backbone.parameters())
    trunk.freeze(False)
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == before


@pytest.mark.usefixtures("own_group")
def test_several_processes_freeze_the_trunk_and_train_it_again() -> None:
    """DistributedDataParallel is wrapped again; it would wait for gradients that do not come, or never send others."""
    preset = override(find_preset("retinanet-320-mobilenet"), SMALL)
    run = new_run(preset, CLASSES, "cpu", pretrained=True)
    for is_frozen in (True, False):
        run.trunk.freeze(is_frozen)
        forward = DistributedDataParallel(run.model)
        for _ in range(2):  # the second step fails if gradients are missing
            before = step(run.model, forward, run.trunk, preset)
        assert ("stages" in parts_that_differ(before, run.model.state_dict())) != is_frozen


def test_a_run_that_is_resumed_after_its_frozen_epochs_trains_the_trunk(voc_tree: Path, tmp_path: Path) -> None:
    start = write_untrained(tmp_path / "start.pt", "retinanet-320-mobilenet", SMALL)
    settings = [*SMALL, f"init_from={start}", "optim.freeze_backbone_epochs=1", "optim.ema=0.9"]
    data, out = open_data_set(voc_tree, "train"), tmp_path / "run"
    weights = [read_checkpoint(start)["model"]]
    for epoch in (1, 2):
        preset = override(find_preset("retinanet-320-mobilenet"), [*settings, f"optim.epochs={epoch}"])
        train(preset, data, None, out, resume=epoch > 1, num_workers=0)
        content = read_checkpoint(out / "last.pt")
        weights.append(content["averaged"])
        assert f'"init_from": "{start}"' in content["preset"]
    parts = [parts_that_differ(*pair) for pair in pairwise(weights)]
    heads = {"fpn", "class_tower", "box_tower", "anchor_based"}
    assert parts == [heads, {"stages", *heads}]


def test_a_new_run_has_a_trunk_that_is_trained() -> None:
    run = new_run(PRESET, CLASSES, "cpu", pretrained=True)
    assert not run.trunk.is_frozen
    assert all(parameter.requires_grad for parameter in run.model.parameters())
