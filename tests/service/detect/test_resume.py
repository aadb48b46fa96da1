"""Going on with an earlier run, or beginning a new one."""

from pathlib import Path

import pytest

from service.detect.outputs.choose import choose_format
from service.detect.outputs.format import OutputError
from service.detect.outputs.place import OutputPlace
from service.detect.record import write_record
from service.detect.resume import find_run, open_journal


def test_a_run_that_another_one_overtakes_does_not_write_its_output(tmp_path: Path) -> None:
    """The engine opens between both steps, which takes seconds."""
    out = tmp_path / "found.jsonl"
    place = OutputPlace(out, choose_format(None, out, None), "")
    before = find_run(place, [], is_restarted=False)
    assert before is None
    out.write_text('{"name":"a.jpg"}\n')
    write_record(place.record, {"tile": 320})
    with pytest.raises(OutputError, match="another run wrote it meanwhile"):
        open_journal(place, before, {"tile": None}, is_restarted=False)
    assert out.read_text() == '{"name":"a.jpg"}\n'
