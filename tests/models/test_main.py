"""The command line: what it prints, and how it fails."""

from pathlib import Path

import pytest

from models.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "passd-9000"], "no preset 'passd-9000'; there are: "),
        (["describe", "passd-320-mobilenet", "--set", "model.wings=2"], "no setting 'wings'"),
        (["train", "passd-320-mobilenet", "--data", "{tmp}", "--out", "{tmp}/run"], "{tmp}: not a data set"),
        (
            ["train", "passd-320-mobilenet", "--data", "{voc}", "--out", "{tmp}/run"],
            "trainval.txt: no such split; there are: test, train",
        ),
        (
            ["train", "passd-320-mobilenet", "--data", "{voc}", "--split", "train", "--out", "{tmp}/run", "--resume"],
            "last.pt: no such file",
        ),
        (
            [
                "train",
                "passd-320-vgg16",
                "--data",
                "{voc}",
                "--split",
                "train",
                "--out",
                "{tmp}/run",
                "--init",
                "{tmp}/w",
            ],
            "{tmp}/w: no such file",
        ),
        (["evaluate", "{tmp}/best.pt", "--data", "{voc}"], "best.pt: no such file"),
        (
            ["train", "passd-320-mobilenet", "--data", "{voc}", "--split", "train", "--out", "/dev/null/run"],
            "Not a directory",
        ),
    ],
)
def test_an_error_is_one_line_and_status_1(
    voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    places = {"tmp": str(tmp_path), "voc": str(voc_tree)}
    assert main([argument.format(**places) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("models: ")
    assert error.count("\n") == 1
    assert message.format(**places) in error


def test_train_and_evaluate(voc_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = [
        "train",
        "passd-320-mobilenet",
        "--data",
        str(voc_tree),
        "--split",
        "train",
        "--val-split",
        "test",
        "--out",
        str(tmp_path / "run"),
    ]
    short = [
        "--epochs",
        "1",
        "--workers",
        "0",
        "--device",
        "cpu",
        "--set",
        "model.input_size=64",
        "--set",
        "optim.batch_size=2",
    ]
    assert main([*run, *short]) == 0
    assert "voc/train: 6 images, 12 objects of 2 classes (green, red)" in capsys.readouterr().out
    assert (
        main(
            [
                "evaluate",
                str(tmp_path / "run" / "best.pt"),
                "--data",
                str(voc_tree),
                "--split",
                "test",
                "--device",
                "cpu",
            ]
        )
        == 0
    )
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table[1:]] == ["class", "green", "red", "mean", "mean", "mean"]
    assert len(table[-2].split(": ")[1].split()) == 4  # IoU .5 .6 .7 .8
    assert len(table[-1].split(": ")[1].split()) == 3  # small, medium, large


def test_describe_shows_a_changed_setting(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", "passd-320-mobilenet", "--classes", "3", "--set", "optim.lr=0.1"]) == 0
    output = capsys.readouterr().out
    assert "3 classes" in output
    assert "optim.lr=0.1" in output
