"""Options that several commands have: those that are given twice."""

import pytest

from models.__main__ import parser


@pytest.mark.parametrize("command", ["train p --out O", "analyse ablation p --out O", "evaluate C"])
@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_does_not_exist_is_refused(command: str, device: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "--data", "D", "--device", device])
    assert f"argument --device: {device!r} is no device here" in capsys.readouterr().err


@pytest.mark.parametrize("workers", ["-1", "two"])
def test_a_number_of_workers_that_is_none_is_refused(workers: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["train", "p", "--out", "O", "--data", "D", "--workers", workers])
    assert f"argument --workers: {workers!r} is not a whole number of at least 0" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["train p --out O --val-split", "analyse ablation p --out O --test-split"])
def test_a_second_split_that_would_replace_the_first_is_refused(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option = command.split()[-1]
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "a", option, "b", "--data", "D"])
    assert f"{option} may be given once only" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "lowest"),
    [
        ("train p --data D --out O --workers", 0),
        ("describe p --classes", 1),
        ("analyse ablation p --data D --out O --seeds", 1),
        ("analyse levels c --data D --out O --count", 1),
        ("analyse sampling c i --out O --boxes", 1),
    ],
)
def test_a_number_that_leaves_nothing_to_do_is_refused(
    command: str, lowest: int, capsys: pytest.CaptureFixture[str]
) -> None:
    option = command.split()[-1]
    assert getattr(parser().parse_args([*command.split(), str(lowest)]), option[2:]) == lowest
    for text in (f"{lowest - 1}", "x"):
        with pytest.raises(SystemExit):
            parser().parse_args([*command.split(), text])
        assert f"{option}: '{text}' is not a whole number of at least {lowest}" in capsys.readouterr().err
