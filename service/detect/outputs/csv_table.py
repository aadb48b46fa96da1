"""Detections as a table with a row for each: comma-separated values. A picture without detections has no row."""

import csv
import io
from collections.abc import Iterable
from typing import Any, BinaryIO

from service.bundle import Manifest

COLUMNS = ("name", "seconds", "width", "height", "label", "class_id", "score", "x1", "y1", "x2", "y2")


def write_csv(results: Iterable[dict[str, Any]], _: Manifest, file: BinaryIO) -> str:
    """Write the rows under a row of COLUMNS; `seconds` is empty but for frames of videos."""
    text = io.TextIOWrapper(file, "utf-8", errors="surrogateescape", newline="", write_through=True)
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for result in results:
        picture = [result["name"], result.get("seconds"), result["width"], result["height"]]
        for found in result["detections"]:
            table.writerow([*picture, found["label"], found["class_id"], found["score"], *found["box"].values()])
    text.detach()
    return ""
