"""`--set`: accepted and refused settings."""

import dataclasses
import re

import pytest

from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import PresetError

PRESET = find_preset("passd-320-mobilenet")


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


def test_the_last_of_several_settings_applies() -> None:
    assert override(PRESET, ["optim.lr=1", "optim.lr=2"]).optim.lr == 2


def test_the_number_of_epochs_scales_the_schedule() -> None:
    optim = override(PRESET, ["optim.epochs=7", "optim.epochs=30"]).optim
    assert (optim.epochs, optim.steps, optim.warmup_epochs) == (30, (18, 24), 3)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_schedule_in_other_settings_stays_as_given_in_any_order(position: int) -> None:
    settings = ["optim.steps=(20,25)", "optim.warmup_epochs=6"]
    settings.insert(position, "optim.epochs=30")
    optim = override(PRESET, settings).optim
    assert (optim.epochs, optim.steps, optim.warmup_epochs) == (30, (20, 25), 6)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("optim.lr", "expected NAME=VALUE"),
        ("optim.speed=1", "no setting 'speed'; there are: optimizer, lr, "),
        ("optimiser=1", "no setting 'optimiser'; there are: name, model, "),
        ("optim=1", "optim is a group; set one of: optim.optimizer, optim.lr, "),
        ("seed.x=1", "seed is a single value, it has no setting 'x'"),
        ("optim.optimizer=adam", "'adam' is not one of: sgd, adamw; the current value is 'sgd'"),
        ("optim.schedule=linear", "'linear' is not one of: step, cosine"),
        ("model.backbone=resnet5", "'resnet5' is not one of: "),
        ("model.proposing=", "'' is not one of: clipped, "),
        ("optim.lr=fast", "'fast' is not of type float; the current value is 0.004"),
        ("optim.lr=True", "'True' is not of type float"),
        ("optim.lr=0", "lr must be above 0, not 0.0"),
        ("optim.lr=", "'' is not of type float"),
        ("optim.epochs=2.5", "'2.5' is not of type int"),
        ("optim.epochs=0", "epochs must be above 0"),
        ("optim.batch_size=-1", "batch_size must be above 0"),
        ("optim.ema=1", "ema must be at least 0 and below 1"),
        ("optim.steps=80", "'80' is not of type tuple[float, ...]"),
        ("optim.steps=(80,'x')", "is not of type tuple[float, ...]"),
        ("optim.warmup_steps=1.5", "'1.5' is not of type int"),
        ("optim.warmup_epochs=-1", "warmup_epochs must be at least 0, not -1.0"),
        ("model.variances=(1,)", "is not of type tuple[float, float]"),
        ("augment.photometric=1", "'1' is not of type bool"),
        ("model.box_size=__import__('os')", "is not of type float"),
        ("evaluate_every=0", "evaluate_every must be above 0, not 0"),
        ("seed=-1", "seed must be at least 0, not -1"),
        ("nms_iou=-3", "nms_iou must be from 0 to 1, not -3.0"),
        ("optim.lr=1e999", "lr must be a finite number, not inf"),
        ("optim.momentum=2", "momentum must be at least 0 and below 1, not 2.0"),
        ("optim.steps=(5,-1)", "steps must be at least 0, not -1.0"),
        ("augment.crop_min=0", "crop_min must be above 0, not 0.0"),
        ("augment.flip=7", "flip must be from 0 to 1, not 7.0"),
        ("augment.expand_max=0.5", "expand_max must be at least 1, not 0.5"),
        ("model.box_size=-1", "box_size must be above 0, not -1.0"),
        ("model.box_scales=(1,0)", "box_scales must be above 0, not 0.0"),
        ("model.box_scales=()", "box_scales must have at least one scale"),
        ("model.max_candidates=0", "max_candidates must be above 0, not 0"),
        ("model.min_negatives=-5", "min_negatives must be at least 0, not -5"),
    ],
)
def test_the_error_about_a_bad_setting_says_what_is_expected(setting: str, message: str) -> None:
    with pytest.raises(PresetError, match=f"--set {re.escape(setting)}: .*{re.escape(message)}"):
        override(PRESET, [setting])
