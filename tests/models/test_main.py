"""The command line: its output and its errors."""

import json
from pathlib import Path

import pytest

from models.__main__ import main
from tests.models.data.coco_files import annotation_file, write_coco
from tests.models.pictures import annotation, write_voc
from tests.models.untrained_checkpoint import write_untrained

SMALL_JOINT = ["model.input_size=64", "model.channels=16", "model.tower_depth=1"]
TRAIN = "train passd-320-mobilenet --data {voc} --split train --out {tmp}/run"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("describe passd-9000", "no preset 'passd-9000'; there are: "),
        ("describe passd-320-mobilenet --set model.wings=2", "no setting 'wings'"),
        ("train passd-320-mobilenet --data {tmp} --out {tmp}/run", "{tmp}: not a data set"),
        (
            "train passd-320-mobilenet --data {voc} --out {tmp}/run",
            "trainval.txt: no such split; there are: test, train",
        ),
        (f"{TRAIN} --resume", "last.pt: no such file"),
        ("train passd-320-vgg16 --data {voc} --split train --out {tmp}/run --init {tmp}/w", "{tmp}/w: no such file"),
        (f"{TRAIN} --init-from {{tmp}}/old.pt", "{tmp}/old.pt: no such file"),
        ("evaluate {tmp}/best.pt --data {voc}", "best.pt: no such file"),
        ("train passd-320-mobilenet --data {voc} --split train --out /dev/null/run", "Not a directory"),
    ],
)
def test_an_error_is_one_line_and_status_1(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str, message: str
) -> None:
    places = {"tmp": str(tmp_path), "voc": str(voc_tree)}
    assert main([argument.format(**places) for argument in command.split()]) == 1
    error = capsys.readouterr().err
    assert error.startswith("models: ")
    assert error.count("\n") == 1
    assert message.format(**places) in error


def test_init_and_init_from_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "passd-320-mobilenet", "--data", "x", "--out", "y", "--init", "none", "--init-from", "best.pt"])
    assert "argument --init-from: not allowed with argument --init" in capsys.readouterr().err


def test_a_trained_checkpoint_is_evaluated(voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {"tmp": str(tmp_path), "voc": str(voc_tree)}
    short = "--epochs 1 --init none --workers 0 --device cpu --set model.input_size=64 --set optim.batch_size=2"
    command = f"{TRAIN} --val-split test {short}"
    assert main([argument.format(**places) for argument in command.split()]) == 0
    assert "voc/train: 6 images, 12 objects of 2 classes (green, red)" in capsys.readouterr().out
    best = str(tmp_path / "run" / "best.pt")
    assert main(["evaluate", best, "--data", str(voc_tree), "--split", "test", "--device", "cpu"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[1:7]] == ["class", "green", "red", "mean", "mean", "mean"]
    assert len(table[5].split(": ")[1].split()) == 4  # IoU .5 .6 .7 .8
    assert len(table[6].split(": ")[1].split()) == 3  # small, medium, large
    assert table[7].startswith("MS COCO: AP50:95 ")
    assert main(["evaluate", best, "--data", str(voc_tree), "--split", "test", "--device", "cpu", "--flip"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("class ")


def test_a_checkpoint_is_evaluated_on_several_data_sets_together(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_untrained(tmp_path / "best.pt", "passd-320-mobilenet", ["model.input_size=64"])
    other = write_voc(tmp_path / "other", {"val": 2})
    data = ["--data", str(voc_tree), "--split", "test", "--data", str(other), "--split", "val"]
    assert main(["evaluate", str(checkpoint), *data, "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "voc+other/test+val: 5 images, 10 objects of 2 classes (green, red)"
    assert next(line.split()[1] for line in lines if line.startswith("mean ")) == "10"


def test_what_a_reader_drops_is_said(voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = write_untrained(tmp_path / "best.pt", "passd-320-mobilenet", ["model.input_size=64"])
    path = voc_tree / "Annotations" / "000006.xml"
    path.write_text(annotation(128, 96, [("red", (5, 5, 5, 5)), ("red", (5, 5, 50, 50))]))
    assert main(["evaluate", str(checkpoint), "--data", str(voc_tree), "--device", "cpu"]) == 0
    note = f"note: voc/test: dropped boxes without area: 1 (first: {path}: object 1 (red))"
    assert note in capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("scales", ["served", "single", "multi"])
def test_a_checkpoint_is_evaluated_at_each_choice_of_scales(
    voc_tree: Path, tmp_path: Path, scales: str, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = write_untrained(tmp_path / "best.pt", "retinanet-fsaf-320-mobilenet", SMALL_JOINT)
    assert main(["evaluate", str(checkpoint), "--data", str(voc_tree), "--scales", scales]) == 0
    assert "mean" in capsys.readouterr().out


def test_a_split_without_annotations_is_run_for_its_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    categories = [{"id": 7, "name": "green"}, {"id": 2, "name": "red"}]
    content = {"images": annotation_file()["images"], "categories": categories}
    tree = write_coco(tmp_path / "coco", content, "test-dev2017", "test2017")
    (tree / "annotations" / "instances_test-dev2017.json").rename(tree / "annotations" / "image_info_test-dev2017.json")
    path = write_untrained(tmp_path / "best.pt", "passd-320-mobilenet", ["model.input_size=64"])
    command = ["evaluate", str(path), "--data", str(tree), "--split", "test-dev2017"]
    assert main(command) == 1
    assert "split test-dev2017 has no annotations" in capsys.readouterr().err
    assert main([*command, "--results", str(tmp_path / "results.json")]) == 0
    ids = {image["id"] for image in content["images"]}
    results = json.loads((tmp_path / "results.json").read_text())
    assert {line["image_id"] for line in results} == ids
    assert {line["category_id"] for line in results} <= {7, 2}
    assert "send the results to a server" in capsys.readouterr().out


def test_passd_is_not_evaluated_at_other_scales(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_untrained(tmp_path / "best.pt", "passd-320-mobilenet", ["model.input_size=64"])
    assert main(["evaluate", str(path), "--data", str(voc_tree), "--scales", "multi"]) == 1
    assert "takes images of one size" in capsys.readouterr().err


def test_describe_shows_a_changed_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "passd-320-mobilenet", "--classes", "3", "--set", "optim.lr=0.1"]) == 0
    output = capsys.readouterr().out
    assert "3 classes" in output
    assert "optim.lr=0.1" in output
