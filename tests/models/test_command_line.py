"""Options that several commands have: those that are given twice."""

import pytest

from models.__main__ import parser


@pytest.mark.parametrize("command", ["train p --out O --val-split", "analyse ablation p --out O --test-split"])
def test_a_second_split_that_would_replace_the_first_is_refused(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    option = command.split()[-1]
    with pytest.raises(SystemExit):
        parser().parse_args([*command.split(), "a", option, "b", "--data", "D"])
    assert f"{option} may be given once only" in capsys.readouterr().err
