"""The files of the report."""

import json
from pathlib import Path

from comparison.report.files import write_files
from tests.comparison.report.comparisons import capacity, comparison, two_rounds


def test_the_report_is_written_to_a_new_folder_and_replaced_later(tmp_path: Path) -> None:
    folder = tmp_path / "compared"
    write_files(comparison(), folder)
    write_files(comparison(capacity(), two_rounds()), folder)
    assert len(json.loads((folder / "comparison.json").read_text())["loads"]) == 2
    assert "60 %" in (folder / "comparison.md").read_text()
    assert (folder / "comparison.png").read_bytes().startswith(b"\x89PNG")
