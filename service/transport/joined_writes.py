"""A transport that sends the head and the body of an answer together."""

import asyncio
from collections.abc import Callable
from typing import Any


class JoinedWrites(asyncio.Transport):
    """A transport that keeps its writes until `flush`, or until the next turn of the event loop, and sends them as one.

    Uvicorn writes the head of an answer and then its body, and uvloop sends each at once. If the server is killed
    between the two, its client has half an answer, and a proxy can no longer ask another server. Two sends are also
    more work than one.

    `lingers` is asked at each `close` whether the client may still be sending. Then only this side is closed: a system
    that closes a connection with unread bytes resets it, and the client may lose the answer (RFC 9112, section 9.6).
    """

    def __init__(self, transport: asyncio.Transport, lingers: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self._transport = transport
        self._lingers = lingers
        self._has_ended = False
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send `data` with the next flush."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)

    def send(self, data: bytes) -> None:
        """Send `data`, which is a whole answer, now."""
        self._parts.append(data)
        self.flush()

    def flush(self) -> None:
        """Send the kept writes now."""
        parts, self._parts = self._parts, []
        if parts and not self.is_closing():
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """Close the connection after the kept writes; if it lingers, only its sending side."""
        self.flush()
        if self._transport.is_closing() or not self._lingers():
            self._transport.close()
        elif not self._has_ended:
            self._has_ended = True
            if self._transport.can_write_eof():  # TLS has no half of a connection to close; the answer has a length
                self._transport.write_eof()

    def abort(self) -> None:
        """Close the connection without the kept writes."""
        self._parts.clear()
        self._transport.abort()

    def get_write_buffer_size(self) -> int:
        """Bytes that the client has not read yet, nor its system."""
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        """Whether the connection is closed or closing, or its sending side is."""
        return self._has_ended or self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A property of the connection, such as its socket."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading from the client."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the client again."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Give incoming data to another protocol."""
        self._transport.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """The protocol that gets incoming data."""
        return self._transport.get_protocol()
