"""The list of the pictures that could not be used."""

import json
from pathlib import Path

from service.detect.picture import Failure


class Failures:
    """Writes a JSON line with name and reason for each; without any, there is no file. The list is this run's only.

    An earlier run's failures are tried again, so its list is removed. Raises OSError.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.unlink(missing_ok=True)

    def add(self, failures: list[Failure]) -> None:
        """Write the lines of these pictures."""
        if not failures:
            return
        with self.path.open("a", encoding="utf-8") as file:
            for failure in failures:
                file.write(json.dumps({"name": failure.name, "reason": failure.reason}) + "\n")
