"""What a run without --out prints."""

import pytest

from service.detect.picture import Failure
from service.detect.printed import PrintedResults


def test_a_name_of_a_failure_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    PrintedResults(("cell",), is_json=False).write([Failure("a\x1b[2J\nb.jpg", "it is no image")])
    assert capsys.readouterr().err == r"a\u001b[2J\nb.jpg: it is no image" + "\n"
