"""The end of a request whose client closes its connection."""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from service.api.detect_routes import CLIENT_DISCONNECTED
from service.api.problems import RequestError


class Disconnect:
    """A context manager that cancels its block when the client disconnects; it raises RequestError 499 instead.

    The connection calls `notify`. A task that waits for the event, as ASGI has it, would cost a request as much as its
    place in the queue of the engine.
    """

    def __init__(self) -> None:
        self._has_happened = False
        self._task: asyncio.Task[object] | None = None

    def notify(self) -> None:
        """The client has disconnected."""
        self._has_happened = True
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> Self:
        if self._has_happened:
            raise disconnected()
        self._task = asyncio.current_task()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if isinstance(error, asyncio.CancelledError) and self._has_happened and task and task.uncancel() == 0:
            raise disconnected() from None


def disconnect_of(scope: Mapping[str, Any]) -> Disconnect:
    """The `Disconnect` that the connection of a request notifies; one that nobody notifies in another server."""
    found: Disconnect = scope["state"].get("disconnect") or Disconnect()
    return found


def disconnected() -> RequestError:
    """The error of a request whose client has left; nobody reads it."""
    return RequestError(CLIENT_DISCONNECTED, "the client disconnected before the answer")
