"""The ablations of the papers' tables on a small set: their rows, their table, and continuing an earlier call."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.data.data_set import DataSet
from models.data.open import open_data_set
from models.papers.ablation import MEASURES, ablate, rows_of, run_row, table, variant
from models.papers.rows import FSAF_ROWS, PASSD_ROWS
from models.presets.catalogue import find_preset
from models.presets.overrides import override
from models.presets.preset import Preset, PresetError
from models.retinanet.retinanet import RetinaNetConfig
from models.training.run_state import TrainingError
from tests.models.pictures import write_voc

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


@pytest.fixture(scope="module")
def finished_row(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished row, in `row`, next to its data; tests must not write to it."""
    root = tmp_path_factory.mktemp("finished")
    train_set, test_set = both_splits(write_voc(root / "voc", {"train": 6, "test": 3}))
    run_row(small(JOINT), train_set, test_set, root / "row", **WHERE)
    return root


def both_splits(tree: Path) -> tuple[DataSet, DataSet]:
    train_set = open_data_set(tree, "train")
    return train_set, open_data_set(tree, "test", train_set.classes)


def fewer(data_set: DataSet) -> DataSet:
    return replace(data_set, samples=data_set.samples[:-1])


@pytest.mark.parametrize("file", ["result.json", "last.pt"])
def test_files_of_another_preset_or_of_other_data_are_not_used(file: str, finished_row: Path, tmp_path: Path) -> None:
    out = tmp_path / "row"
    out.mkdir()
    shutil.copy(finished_row / "row" / file, out)
    preset, (train_set, test_set) = small(JOINT), both_splits(finished_row / "voc")
    for other, message in (
        (replace(preset, seed=3), "seed was 0 and is 3"),
        (override(preset, ["optim.lr=0.1"]), r"optim\.lr was 0\.0005 and is 0\.1"),
    ):
        with pytest.raises(
            TrainingError, match=rf"{file}: made with something else \(settings: {message}\); delete .*row, or"
        ):
            run_row(other, train_set, test_set, out, **WHERE)
    with pytest.raises(
        TrainingError, match="training data: voc/train with 6 images before, voc/train with 5 images now"
    ):
        run_row(preset, fewer(train_set), test_set, out, **WHERE)
    if file == "result.json":
        with pytest.raises(TrainingError, match="test data: voc/test with 3 images before, voc/test with 2 images now"):
            run_row(preset, train_set, fewer(test_set), out, **WHERE)


@pytest.mark.parametrize("text", ['{"AP": 0.5}', '{"format": 1, "pres', "[]"])
def test_a_result_that_does_not_say_what_it_was_made_with_is_refused(
    text: str, finished_row: Path, tmp_path: Path
) -> None:
    (tmp_path / "result.json").write_text(text)
    with pytest.raises(TrainingError, match=r"result\.json: not a result of this version; delete "):
        run_row(small(JOINT), *both_splits(finished_row / "voc"), tmp_path, **WHERE)


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
