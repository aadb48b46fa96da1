"""The progress bar of a run, at a terminal."""

import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from service.detect.sources import SourceError
from service.telemetry.progress_bar import progress_bar


class Progress:
    """Shows the images that are done, images a second and the time left on stderr; nothing if that is no terminal.

    A thread counts the pictures meanwhile, so that a run over millions starts at once.
    """

    def __init__(self, counts: Iterator[int]) -> None:
        self._bar = progress_bar(unit="image", smoothing=0.1)
        self._counts = counts
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._count, name="count", daemon=True)

    def __enter__(self) -> Self:
        if not self._bar.disable:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._bar.close()

    def advance(self, count: int) -> None:
        """So many more images are done."""
        self._bar.update(count)

    def _count(self) -> None:
        total = 0
        try:
            for count in self._counts:
                total = count
                if self._ended.is_set():
                    return
        except (OSError, SourceError):  # the run meets the same error and reports it
            return
        self._bar.total = total
