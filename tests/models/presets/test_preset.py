"""Presets, their JSON and their names."""

import dataclasses

import pytest

from models.optim.optimizer import OptimConfig
from models.optim.schedule import warmup_end
from models.passd.passd import PASSDConfig
from models.presets.catalogue import PRESETS, find_preset
from models.presets.overrides import override
from models.presets.preset import Preset, PresetError, preset_from_json

PRESET = find_preset("passd-320-mobilenet")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_read_back_from_its_json(name: str) -> None:
    assert PRESETS[name].name == name
    assert preset_from_json(PRESETS[name].to_json()) == PRESETS[name]


def test_all_networks_but_vgg16_with_batch_norm_start_from_imagenet() -> None:
    from_scratch = {preset.model.backbone for preset in PRESETS.values() if preset.init == "none"}
    assert from_scratch == {"vgg16bn"}  # PASSD §6.1, §7.3.2
    mobilenets = [preset for preset in PRESETS.values() if preset.model.backbone == "mobilenet"]
    assert {(preset.init, preset.model.backbone_activation) for preset in mobilenets} == {("imagenet", "relu6")}


def test_json_without_newer_fields_gets_their_defaults() -> None:
    text = '{"name": "old", "model": {"backbone": "mobilenet", "input_size": 320}, "optim": {"lr": 0.1}, "augment": {}}'
    preset = preset_from_json(text)
    assert isinstance(preset.model, PASSDConfig)
    assert preset.model.backbone_activation == "relu"  # that of all networks then
    assert (preset.model.box_size, preset.optim.lr, preset.optim.epochs) == (4.0, 0.1, OptimConfig().epochs)


def test_a_preset_of_an_older_version_keeps_its_schedule() -> None:
    text = (
        '{"name": "old", "model": {"backbone": "mobilenet", "input_size": 320}, "augment": {}, "optim": '
        '{"epochs": 12, "warmup_epochs": 0.07, "warmup_lr": 0.003, "steps": [8, 11], "lr": 0.01}}'
    )
    optim = preset_from_json(text).optim
    assert (optim.steps, warmup_end(optim, 18)) == ((8, 11), 0.07)


def test_the_error_about_an_unknown_preset_lists_the_existing_ones() -> None:
    with pytest.raises(PresetError, match=r"no preset 'passd'; there are: .*passd-320-mobilenet"):
        find_preset("passd")


def test_an_input_size_that_does_not_fit_is_an_error_of_the_preset() -> None:
    with pytest.raises(PresetError, match="passd-320-mobilenet: input_size is 330"):
        override(PRESET, ["model.input_size=330"]).build(("a",))


def test_a_preset_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESET.seed = 1  # type: ignore[misc]
    assert isinstance(PRESET, Preset)
