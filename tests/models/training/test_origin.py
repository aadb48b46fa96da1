"""What a run was made with is compared with what it is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.data_set import DataSet, Sample
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.training.origin import data_difference, describe_data, preset_difference


def sample(name: str, **changes: object) -> Sample:
    fields = {
        "image_path": Path("voc") / name,
        "size": (10, 20),
        "boxes": np.array([[1, 2, 3, 4]], np.float32),
        "labels": np.array([1]),
        "is_difficult": np.array([False]),
        "is_crowd": np.array([False]),
    }
    return Sample(**fields | changes)  # type: ignore[arg-type]


DATA = DataSet("voc", "train", ("cat", "dog"), (sample("a.jpg"), sample("b.jpg")), 0)


@pytest.mark.parametrize(
    "other",
    [
        replace(DATA, classes=("dog", "cat")),
        replace(DATA, samples=DATA.samples[::-1]),
        replace(DATA, samples=(*DATA.samples[:1], sample("c.jpg"))),
        replace(DATA, samples=(*DATA.samples[:1], sample("b.jpg", boxes=np.array([[1, 2, 3, 5]], np.float32)))),
        replace(DATA, samples=(*DATA.samples[:1], sample("b.jpg", labels=np.array([0])))),
        replace(DATA, samples=(*DATA.samples[:1], sample("b.jpg", is_crowd=np.array([True])))),
    ],
    ids=["classes", "order", "name", "box", "label", "crowd"],
)
def test_other_annotations_are_other_data(other: DataSet) -> None:
    difference = data_difference(describe_data(DATA), describe_data(other))
    assert difference == "voc/train with 2 images before, voc/train with 2 images now, with other files or annotations"


def test_the_same_data_in_another_folder_are_the_same() -> None:
    moved = replace(
        DATA, name="copy", samples=tuple(replace(s, image_path=Path("x") / s.image_path) for s in DATA.samples)
    )
    assert data_difference(describe_data(DATA), describe_data(moved)) == ""
    assert data_difference(None, None) == ""


def test_missing_data_are_a_difference() -> None:
    assert data_difference(None, describe_data(DATA)) == "unknown or none before, voc/train with 2 images now"


def test_settings_that_differ_are_named_with_both_values() -> None:
    preset = find_preset("passd-320-mobilenet")
    assert preset_difference(preset, preset) == ""
    other = override(preset, ["optim.lr=0.002", "seed=1"])
    assert preset_difference(preset, other) == "optim.lr was 0.004 and is 0.002, seed was 0 and is 1"
    assert "model.branches was None and is joint" in preset_difference(preset, find_preset("retinanet-fsaf-resnet50"))
