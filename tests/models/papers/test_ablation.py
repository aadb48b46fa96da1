"""The ablations of the papers' tables on a small set: their rows, their table, and continuing an earlier call."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.data.open import open_data_set
from models.papers.ablation import FSAF_ROWS, MEASURES, PASSD_ROWS, ablate, rows_of, table, variant
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import Preset, PresetError
from models.retinanet.retinanet import RetinaNetConfig

PASSD = find_preset("passd-320-mobilenet")
JOINT = find_preset("retinanet-fsaf-320-mobilenet")
WHERE: dict[str, Any] = {"num_workers": 0, "device": "cpu"}
SMALL = ["init=none", "model.input_size=64", "optim.batch_size=3", "optim.epochs=1"]
SMALL += ["optim.precision=fp32"]  # the same on every CPU


def small(preset: Preset) -> Preset:
    towers = [] if preset is PASSD else ["model.channels=16", "model.tower_depth=1"]
    return override(preset, SMALL + towers)


def test_each_row_changes_the_module_except_that_of_the_paper() -> None:
    models = {name: variant(PASSD, changes, 0).model for name, changes in PASSD_ROWS.items()}
    assert len(set(models.values())) == len(PASSD_ROWS)
    assert models["pa"] == PASSD.model
    assert variant(PASSD, PASSD_ROWS["conv"], 7).seed == 7


def test_rows_of_fsaf_are_those_of_its_table_1() -> None:
    models = [variant(JOINT, changes, seed=2).model for changes in FSAF_ROWS.values()]
    variants = [model for model in models if isinstance(model, RetinaNetConfig)]
    assert variants == models
    assert [(v.branches, v.level_selection) for v in variants[1:]] == [
        ("anchor-free", "heuristic"),
        ("anchor-free", "online"),
        ("joint", "heuristic"),
        ("joint", "online"),
    ]
    assert variants[0].branches == "anchor-based"
    assert all(replace(v, branches="joint", level_selection="online") == JOINT.model for v in variants)


@pytest.mark.parametrize(("preset", "name"), [(PASSD, "conv"), (JOINT, "anchor-free-heuristic")])
def test_rows_are_trained_evaluated_and_not_repeated(preset: Preset, name: str, voc_tree: Path, tmp_path: Path) -> None:
    train_set = open_data_set(voc_tree, "train")
    test_set = open_data_set(voc_tree, "test", train_set.classes)
    text = ablate(small(preset), train_set, test_set, tmp_path, names=[name], num_seeds=1, **WHERE)
    assert [line.split("|")[1].strip() for line in text.splitlines()] == ["row", "---", name]
    assert (tmp_path / "table.md").read_text() == text + "\n"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")}
    assert len(before) == 2
    again = ablate(small(preset), train_set, test_set, tmp_path, names=[name], num_seeds=1, **WHERE)
    assert again == text
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")} == before


def test_several_seeds_have_a_mean_and_a_deviation() -> None:
    results = {"pa": [dict.fromkeys(MEASURES, value) for value in (0.5, 0.6)], "conv": [dict.fromkeys(MEASURES, 0.25)]}
    *_, pa, conv = table(PASSD, results, 20).splitlines()
    assert pa.startswith("| pa | 6.32M | 55.0 ± 7.1 | ")
    assert conv.startswith("| conv | 6.28M | 25.0 | ")


def test_an_unknown_row_is_refused() -> None:
    with pytest.raises(PresetError, match=r"passd-320-mobilenet has no row 'pb'; there are: conv, unclipped, "):
        rows_of(PASSD, ["pb"])
    with pytest.raises(PresetError, match=r"no row 'pa'; there are: anchor-based, "):
        rows_of(JOINT, ["pa"])


def test_requested_rows_keep_their_order() -> None:
    assert list(rows_of(PASSD, ["pa", "conv"])) == ["pa", "conv"]
    assert list(rows_of(JOINT)) == list(FSAF_ROWS)
