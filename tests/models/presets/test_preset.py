"""Presets, their JSON, and what `--set` takes and refuses."""

import dataclasses
import re

import pytest

from models.optim.optimizer import OptimConfig
from models.presets.catalogue import PRESETS, find_preset
from models.presets.overrides import override
from models.presets.preset import Preset, PresetError, preset_from_json

PRESET = find_preset("passd-320-mobilenet")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_its_json(name: str) -> None:
    assert PRESETS[name].name == name
    assert preset_from_json(PRESETS[name].to_json()) == PRESETS[name]


def test_json_without_newer_fields_gets_their_defaults() -> None:
    text = '{"name": "old", "model": {"backbone": "mobilenet", "input_size": 320}, "optim": {"lr": 0.1}, "augment": {}}'
    preset = preset_from_json(text)
    assert (preset.model.box_size, preset.optim.lr, preset.optim.epochs) == (4.0, 0.1, OptimConfig().epochs)


def test_an_unknown_preset_lists_those_that_are_there() -> None:
    with pytest.raises(PresetError, match=r"no preset 'passd'; there are: .*passd-320-mobilenet"):
        find_preset("passd")


@pytest.mark.parametrize(
    ("setting", "path", "value"),
    [
        ("optim.lr=0.002", "optim.lr", 0.002),
        ("optim.lr = 2e-3", "optim.lr", 0.002),
        ("optim.lr=1", "optim.lr", 1.0),
        ("optim.optimizer=adamw", "optim.optimizer", "adamw"),
        ("optim.steps=(80, 100)", "optim.steps", (80, 100)),
        ("optim.steps=[80]", "optim.steps", (80,)),
        ("optim.steps=()", "optim.steps", ()),
        ("model.box_scales=(0.8,1,1.26)", "model.box_scales", (0.8, 1.0, 1.26)),
        ("model.variances=(1,1)", "model.variances", (1.0, 1.0)),
        ("model.force_best_match=false", "model.force_best_match", False),
        ("augment.photometric=True", "augment.photometric", True),
        ("evaluate_every=2", "evaluate_every", 2),
        ("name=mine", "name", "mine"),
    ],
)
def test_a_setting_changes_one_field(setting: str, path: str, value: object) -> None:
    changed = override(PRESET, [setting])
    found: object = changed
    for part in path.split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)
    group, _, field = path.rpartition(".")
    if group:
        old_group = getattr(PRESET, group)
        restored = dataclasses.replace(
            changed, **{group: dataclasses.replace(getattr(changed, group), **{field: getattr(old_group, field)})}
        )
    else:
        restored = dataclasses.replace(changed, **{field: getattr(PRESET, field)})
    assert restored == PRESET


def test_later_settings_win() -> None:
    assert override(PRESET, ["optim.lr=1", "optim.lr=2"]).optim.lr == 2


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.lr", "expected NAME=VALUE"),
        ("optim.speed=1", "no setting 'speed'; there are: optimizer, lr, "),
        ("optimiser=1", "no setting 'optimiser'; there are: name, model, "),
        ("optim=1", "optim is a group; set one of: optim.optimizer, optim.lr, "),
        ("seed.x=1", "seed is a value and has no 'x'"),
        ("optim.optimizer=adam", "'adam' is none of: sgd, adamw; it is now 'sgd'"),
        ("optim.schedule=linear", "'linear' is none of: step, cosine"),
        ("model.backbone=resnet5", "'resnet5' is none of: "),
        ("model.proposing=", "'' is none of: clipped, "),
        ("optim.lr=fast", "'fast' is no float; it is now 0.004"),
        ("optim.lr=True", "'True' is no float"),
        ("optim.lr=0", "lr must be above 0, not 0.0"),
        ("optim.lr=", "'' is no float"),
        ("optim.epochs=2.5", "'2.5' is no int"),
        ("optim.epochs=0", "epochs must be above 0"),
        ("optim.batch_size=-1", "batch_size must be above 0"),
        ("optim.ema=1", "ema must be at least 0 and below 1"),
        ("optim.steps=80", "'80' is no tuple[int, ...]"),
        ("optim.steps=(80,'x')", "is no tuple[int, ...]"),
        ("optim.steps=(1.5,)", "is no tuple[int, ...]"),
        ("model.variances=(1,)", "is no tuple[float, float]"),
        ("augment.photometric=1", "'1' is no bool"),
        ("model.box_size=__import__('os')", "is no float"),
    ],
)
def test_a_bad_setting_says_what_was_expected(setting: str, message: str) -> None:
    with pytest.raises(PresetError, match=f"--set {re.escape(setting)}: .*{re.escape(message)}"):
        override(PRESET, [setting])


def test_an_input_size_that_does_not_fit_is_the_presets_error() -> None:
    with pytest.raises(PresetError, match="passd-320-mobilenet: input_size is 330"):
        override(PRESET, ["model.input_size=330"]).build(("a",))


def test_a_preset_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        PRESET.seed = 1  # type: ignore[misc]
    assert isinstance(PRESET, Preset)
