"""The progress of a copy, on one line of a terminal."""

import math
import sys
import time
from typing import Self, TextIO

LOOK_SECONDS = 0.2


class Progress:
    """Shows at most five times a second how much of a file is copied; writes nothing if `stream` is no terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = -math.inf
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Clear the line."""
        if self._width:
            self._write("")
            self._write("")

    def show(self, name: str, num_bytes: int, size: int | None) -> None:
        """`num_bytes` of the file `name`, which has `size` bytes, are copied."""
        now = time.monotonic()
        if not self._stream.isatty() or now - self._shown < LOOK_SECONDS:
            return
        self._shown = now
        share = f" of {size / 1e6:.1f}" if size else ""
        self._write(f"{name}: {num_bytes / 1e6:.1f}{share} MB")

    def _write(self, line: str) -> None:
        self._stream.write(f"\r{line:{self._width}}")
        self._stream.flush()
        self._width = len(line)
