"""The command with the tiny bundle, in the tests' own process."""

import json
from pathlib import Path
from typing import Any

from service.bundle import Bundle
from service.detect.__main__ import main


def detect(bundle: Bundle, *arguments: str | Path) -> int:
    """Run the command -> its exit status."""
    return main(words(bundle, *arguments))


def words(bundle: Bundle, *arguments: str | Path) -> list[str]:
    """The arguments of the command for that bundle, with an engine of one thread."""
    return [*map(str, arguments), "--bundle", str(bundle.path), "--engine", "onnx", "--batch", "4"]


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text().splitlines()]
