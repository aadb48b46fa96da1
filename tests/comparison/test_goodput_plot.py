"""The plot of goodput."""

import json
from pathlib import Path

import pytest

from comparison.goodput_plot import draw, read_figures

ROWS = [{"header": header, "offered": 100.0, "goodput": 90.0} for header in ("none", "objective")]


def test_figures_of_several_versions_are_drawn_from_their_files(tmp_path: Path) -> None:
    file = tmp_path / "before.json"
    file.write_text(json.dumps({"engine": "sleeping", "knee": 100.0, "rows": ROWS}))
    draw({"before": read_figures(file), "now": {"rows": ROWS}}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [{}]}', '{"rows": 7}', '{"rows": [7]}'])
def test_a_file_of_something_else_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=r"other\.json: it is no file of `--out`"):
        read_figures(file)
