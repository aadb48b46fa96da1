"""The files of the report."""

import json
from pathlib import Path

from comparison.report.markdown import to_markdown
from comparison.report.plot import draw
from comparison.report.results import Comparison, to_dict


def write_files(comparison: Comparison, folder: Path) -> None:
    """Write comparison.json, comparison.md and comparison.png to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "comparison.json").write_text(json.dumps(to_dict(comparison), indent=2) + "\n")
    (folder / "comparison.md").write_text(to_markdown(comparison))
    draw(comparison, folder / "comparison.png")
