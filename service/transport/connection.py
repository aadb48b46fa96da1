"""Uvicorn's connection of a client, with limits on the head of a request, and with each answer sent in one piece."""

import asyncio
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from service.transport.joined_writes import JoinedWrites

MAX_HEAD_BYTES = 64 * 2**10


class Connection(HttpToolsProtocol):
    """Closes if the head of a request is too large or too late; the head is its first line and its headers.

    Too large is more than MAX_HEAD_BYTES. Too late is `head_seconds` after the client connected or began the head.
    Uvicorn limits only the wait between requests: it waits for a head without a limit, and keeps all of it.
    """

    head_seconds: float  # set by `connections_of`
    _timer: asyncio.TimerHandle | None = None
    _is_in_head = False
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's signature
        """The client has connected."""
        self._writes = JoinedWrites(transport)
        super().connection_made(self._writes)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has disconnected."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A part of a request, or of several."""
        super().data_received(data)
        if self._is_in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            elif self._timer is None:  # most heads arrive in one piece, and need no timer
                self._start_timer()

    def on_message_begin(self) -> None:
        """The parser has seen the first byte of a request."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """The parser has seen the empty line after the headers."""
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer is written."""
        self._writes.flush()
        super().on_response_complete()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._time_out)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_out(self) -> None:
        if self._is_in_head:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:  # the client has sent nothing, so it gets no answer
            self.transport.close()

    def _refuse(self, status: HTTPStatus) -> None:
        self._stop_timer()
        head = f"HTTP/1.1 {status} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(head.encode())
        self.transport.close()


def connections_of(head_seconds: float) -> type[Connection]:
    """A class of connections with that limit, because uvicorn takes a class and makes the connections itself."""
    return type("Connection", (Connection,), {"head_seconds": head_seconds})
