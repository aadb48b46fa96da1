"""Files that are written completely or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal


@contextmanager
def replacing(path: Path, mode: Literal["w", "wb"] = "w") -> Iterator[IO[Any]]:
    """A file that replaces `path` when it is complete; until then, also after an error or a kill, `path` is as it was.

    The temporary file has a fixed name: if a killed process leaves one, the next write replaces it.
    """
    staging = path.with_name(f".{path.name}.partial")
    try:
        with staging.open(mode, encoding="utf-8" if mode == "w" else None) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    finally:
        staging.unlink(missing_ok=True)
