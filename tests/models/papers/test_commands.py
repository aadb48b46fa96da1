"""`analyse levels` on a checkpoint."""

from pathlib import Path

import pytest

from models.__main__ import main, parser
from tests.models.pictures import write_voc
from tests.models.untrained_checkpoint import write_untrained

SMALL = ["model.input_size=64", "model.channels=16", "model.tower_depth=1"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return write_untrained(tmp_path / "best.pt", "retinanet-fsaf-320-mobilenet", SMALL)


def test_levels_draws_the_requested_number_of_images(
    checkpoint: Path, voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--data", str(voc_tree), "--out", str(tmp_path / "levels"), "--count", "2", "--score-threshold", "0"]
    assert main(["analyse", "levels", str(checkpoint), *arguments]) == 0
    assert len(list((tmp_path / "levels").iterdir())) == 2
    assert capsys.readouterr().out.splitlines()[-1].split()[0] == "all"


def test_levels_of_several_data_sets_draws_the_images_of_all(
    checkpoint: Path, voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_voc(tmp_path / "other", {"test": 1, "val": 2})
    data = ["--data", str(voc_tree), "--split", "test", "--data", str(other), "--split", "val"]
    arguments = [*data, "--out", str(tmp_path / "levels"), "--score-threshold", "0"]
    assert main(["analyse", "levels", str(checkpoint), *arguments]) == 0
    names = sorted(path.name for path in (tmp_path / "levels").iterdir())
    assert names == ["000001.png", "000002.png", "000006.png", "000007.png", "000008.png"]
    assert "voc+other/test+val: 5 images, 10 objects of 2 classes (green, red)" in capsys.readouterr().out


@pytest.mark.parametrize("lacking", [0, 1])
def test_ablation_reads_all_data_sets(tmp_path: Path, capsys: pytest.CaptureFixture[str], lacking: int) -> None:
    roots = [write_voc(tmp_path / name, {"test": 1} if k == lacking else {"train": 1}) for k, name in enumerate("ab")]
    data = [f"--data={root}" for root in roots]
    assert main(["analyse", "ablation", "passd-320-mobilenet", *data, f"--out={tmp_path / 'out'}"]) == 1
    assert f"{roots[lacking] / 'ImageSets' / 'Main' / 'train.txt'}: no such split" in capsys.readouterr().err


def test_all_rows_of_an_ablation_are_taken() -> None:
    options = parser().parse_args(["analyse", "ablation", "p", "--data=A", "--out=O", "--rows=a,b", "--rows=c"])
    assert options.rows == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("preset", "settings"), [("retinanet-320-mobilenet", SMALL), ("passd-320-mobilenet", ["model.input_size=64"])]
)
def test_levels_of_a_model_without_anchor_free_branch_are_refused(
    preset: str, settings: list[str], voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_untrained(tmp_path / "best.pt", preset, settings)
    assert main(["analyse", "levels", str(path), "--data", str(voc_tree), "--out", str(tmp_path / "levels")]) == 1
    assert f"the anchor-free branch, but {preset} has none" in capsys.readouterr().err
    assert not (tmp_path / "levels").exists()


def test_an_image_that_cannot_be_written_is_an_error(
    checkpoint: Path, voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(9):
        (tmp_path / "levels" / f"{i:06}.png").mkdir(parents=True)
    assert main(["analyse", "levels", str(checkpoint), f"--data={voc_tree}", f"--out={tmp_path / 'levels'}"]) == 1
    assert ".png: the image cannot be written; choose another --out" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["30", "-0.1", "nan", "x"])
def test_a_score_threshold_that_is_no_share_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["analyse", "levels", "c", "--data=D", "--out=O", f"--score-threshold={text}"])
    assert f"--score-threshold: '{text}' is not a number from 0 to 1" in capsys.readouterr().err
