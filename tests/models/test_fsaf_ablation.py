"""The rows of Table 1 are trained, measured and not repeated."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.data.voc import read_voc
from models.fsaf_ablation import ROWS, Row, ablate, vary
from models.overrides import override
from models.presets import Preset, PresetError, find_preset

TINY = ["model.input_size=64", "model.channels=16", "model.tower_depth=1", "optim.epochs=1", "optim.batch_size=3"]


@pytest.fixture
def tiny() -> Preset:
    return override(find_preset("retinanet-fsaf-320-mobilenet"), TINY)


def test_rows_are_those_of_table_1(tiny: Preset) -> None:
    variants = [vary(tiny, changes, seed=2).model for changes in ROWS.values()]
    assert [(v.branches, v.level_selection) for v in variants[1:]] == [  # type: ignore[union-attr]
        ("anchor-free", "heuristic"),
        ("anchor-free", "online"),
        ("joint", "heuristic"),
        ("joint", "online"),
    ]
    assert all(replace(v, branches="joint", level_selection="online") == tiny.model for v in variants)  # type: ignore[call-arg]


def test_every_row_is_trained_and_measured_once(tiny: Preset, voc_tree: Path, tmp_path: Path) -> None:
    data = read_voc(voc_tree, "train"), read_voc(voc_tree, "test", ("green", "red"))
    out = tmp_path / "ablation"
    table = ablate(tiny, *data, out, num_seeds=1, num_workers=0, device="cpu")
    assert (out / "table.txt").read_text() == f"{table}\n"
    assert len(table.splitlines()) == 1 + len(ROWS)
    logs = sorted(out.glob("*/0/log.jsonl"))
    assert len(logs) == len(ROWS)
    before = [log.stat().st_mtime_ns for log in (path.with_name("last.pt") for path in logs)]
    assert ablate(tiny, *data, out, num_seeds=1, num_workers=0, device="cpu") == table
    assert [log.stat().st_mtime_ns for log in (path.with_name("last.pt") for path in logs)] == before


def test_a_row_is_the_mean_of_its_seeds() -> None:
    line = str(Row("joint, online", 1234, [[0.5, 0.4, 0.3, 0.2], [0.6, 0.5, 0.4, 0.1]]))
    assert line.split() == ["joint,", "online", "1,234", "55.00", "45.00", "35.00", "15.00", "±", "7.07"]


def test_a_preset_without_branches_is_refused() -> None:
    with pytest.raises(PresetError, match="passd-320-mobilenet has no branches"):
        vary(find_preset("passd-320-mobilenet"), ROWS["joint, online"], 0)
