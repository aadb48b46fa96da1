"""The results of a run on the terminal: a short table for each picture, or its line of JSON."""

import json
import sys

from service.detect.picture import Failure, Result
from service.detection.rows import rows_of


class PrintedResults:
    """Prints each result on stdout, and each failure on stderr."""

    def __init__(self, classes: tuple[str, ...], *, is_json: bool) -> None:
        self._classes = classes
        self._is_json = is_json

    def write(self, batch: list[Result | Failure]) -> None:
        """Print one batch."""
        for result in batch:
            if isinstance(result, Failure):
                print(f"{shown(result.name)}: {result.reason}", file=sys.stderr)
            elif self._is_json:
                print(result.line.decode(), end="")
            else:
                print(table_of(result, self._classes))
        sys.stdout.flush()

    def finish(self) -> str:
        """Nothing: all is printed."""
        return ""


def shown(name: str) -> str:
    """A name without characters that a terminal would obey."""
    return json.dumps(name, ensure_ascii=False)[1:-1]


def table_of(result: Result, classes: tuple[str, ...]) -> str:
    """The detections of a picture, one a line."""
    found = result.found
    width = max([len("label"), *(len(name) for name in classes)])
    lines = [f"{shown(result.name)}: {found.width}×{found.height} pixels, {len(found.detections)} detections"]
    if len(found.detections):
        lines.append(f"  {'label':{width}}  score       x1       y1       x2       y2")
    for row in rows_of(classes, found.detections):
        corners = " ".join(f"{corner:8.1f}" for corner in row["box"].values())
        lines.append(f"  {row['label']:{width}}  {row['score']:.3f} {corners}")
    return "\n".join(lines)
