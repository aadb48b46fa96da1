"""A timer that is set and cleared at each request at almost no cost."""

import asyncio
from collections.abc import Callable


class LazyTimer:
    """Calls `callback` when the time that was set last is over, unless it was cleared.

    A timer of the event loop takes longer to start and to cancel than the rest of a refusal. This one starts another
    only when the last one rings, and a busy connection clears and sets it many times before that.
    """

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._due: float | None = None
        self._handle: asyncio.Handle | None = None
        self._rings_at = 0.0  # the time of the handle; uvloop's handles do not know it if they are due at once

    @property
    def is_set(self) -> bool:
        """Whether the callback will be called."""
        return self._due is not None

    def set(self, seconds: float) -> None:
        """Call the callback in `seconds`, and not at the time that was set before."""
        self._due = self._loop.time() + seconds
        if self._handle is not None and self._rings_at > self._due:
            self.cancel()
        if self._handle is None:
            self._call_at(self._due)

    def clear(self) -> None:
        """Do not call the callback."""
        self._due = None

    def cancel(self) -> None:
        """Free the event loop's timer, because this one is used no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        if self._due is None:
            return
        if self._loop.time() < self._due:
            self._call_at(self._due)
        else:
            self._due = None
            self._callback()

    def _call_at(self, due: float) -> None:
        self._rings_at = due
        self._handle = self._loop.call_at(due, self._ring)
