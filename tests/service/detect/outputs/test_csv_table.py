"""The table of detections."""

import csv
from pathlib import Path

from service.bundle import Bundle
from service.detect.outputs.csv_table import COLUMNS
from tests.service.detect.command import detect


def test_each_detection_is_a_row(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    assert detect(tiny_bundle, photos, "--out", tmp_path / "found.csv") == 0
    with (tmp_path / "found.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == COLUMNS
    assert len(rows) == 31
    name = str(photos / "first" / "001.png")
    assert [row for row in rows if row[0] == name] == [
        [name, "", "64", "64", "red", "0", "1.0", "8.0", "0.0", "24.0", "16.0"]
    ]
