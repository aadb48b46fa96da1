"""The progress bar of a run, at a terminal."""

import shutil
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from tqdm import tqdm

from service.detect.sources import SourceError


class Progress:
    """Shows the images that are done, images a second and the time left on stderr; nothing if that is no terminal.

    A thread counts the pictures meanwhile, so that a run over millions starts at once.
    """

    def __init__(self, counts: Iterator[int]) -> None:
        columns, lines = shutil.get_terminal_size()  # never 0, with which tqdm shows nothing
        self._bar = tqdm(unit="image", disable=None, smoothing=0.1, ncols=columns, nrows=lines)
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
