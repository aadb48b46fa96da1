"""The ablation of PASSD's tables on a small set: its rows, its table, and that it goes on where it stopped."""

from pathlib import Path

import pytest

from models.data.loader import open_data_set
from models.overrides import override
from models.passd_ablation import MEASURES, ROWS, ablate, table, variant
from models.presets import Preset, PresetError, find_preset

PRESET = find_preset("passd-320-mobilenet")
WHERE = {"num_workers": 0, "device": "cpu"}


def small(epochs: int) -> Preset:
    return override(PRESET, ["model.input_size=64", "optim.batch_size=3", f"optim.epochs={epochs}"])


def test_each_row_is_another_module_but_for_papers_own() -> None:
    models = {row: variant(PRESET, row, 0).model for row in ROWS}
    assert len(set(models.values())) == len(ROWS)
    assert models["pa"] == PRESET.model
    assert variant(PRESET, "conv", 7).seed == 7


def test_rows_are_trained_measured_and_not_repeated(voc_tree: Path, tmp_path: Path) -> None:
    train_set = open_data_set(voc_tree, "train")
    test_set = open_data_set(voc_tree, "test", train_set.classes)
    text = ablate(small(1), train_set, test_set, tmp_path, rows=["conv"], num_seeds=1, **WHERE)
    assert [line.split("|")[1].strip() for line in text.splitlines()] == ["prediction module", "---", "conv"]
    assert (tmp_path / "table.md").read_text() == text + "\n"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")}
    assert len(before) == 2
    again = ablate(small(1), train_set, test_set, tmp_path, rows=["conv"], num_seeds=1, **WHERE)
    assert again == text
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.pt")} == before


def test_several_seeds_give_a_mean_and_a_deviation() -> None:
    results = {"pa": [dict.fromkeys(MEASURES, value) for value in (0.5, 0.6)], "conv": [dict.fromkeys(MEASURES, 0.25)]}
    *_, pa, conv = table(PRESET, results, 20).splitlines()
    assert pa.startswith("| pa | 6.32M | 55.0 ± 7.1 | ")
    assert conv.startswith("| conv | 6.28M | 25.0 | ")


def test_an_unknown_row_is_refused(voc_tree: Path, tmp_path: Path) -> None:
    data_set = open_data_set(voc_tree, "train")
    with pytest.raises(PresetError, match=r"no row 'pb'; there are: conv, unclipped, "):
        ablate(small(1), data_set, data_set, tmp_path, rows=["pb"], num_seeds=1, **WHERE)
