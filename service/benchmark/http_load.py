"""A small HTTP/1.1 client that sends requests at given times, and leaves the cores to the server."""

import asyncio
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

LOST = 0  # instead of a status: no answer, or one that could not be read
MAX_CONNECTIONS = 2000


@dataclass(frozen=True)
class Target:
    """The address that the requests are sent to."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str, path: str) -> "Target":
        """The target of an address like http://127.0.0.1:8000; its path, if any, replaces `path`. Raises ValueError."""
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url}: the address should look like http://127.0.0.1:8000")
        own = parts.path.rstrip("/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, parts.port or 80, own or path)

    def post(self, body: bytes, headers: dict[str, str]) -> bytes:
        """A whole request."""
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {self.host}:{self.port}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    def sender(self) -> "HttpSender":
        """What sends the requests."""
        return HttpSender(self)


@dataclass(frozen=True)
class Samples:
    """One row for each request: the intended and the actual time of sending, the time of the answer, and its status.

    Times are in seconds from the start of the load.
    """

    intended: NDArray[np.float64]
    sent: NDArray[np.float64]
    done: NDArray[np.float64]
    status: NDArray[np.int64]

    @property
    def latency(self) -> NDArray[np.float64]:
        """Seconds from the intended time, so that a client that sends late does not improve the server's figures."""
        return self.done - self.intended


class Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._answer: asyncio.Future[int] | None = None
        self._transport: asyncio.Transport | None = None
        self.is_usable = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from asyncio.Transport
        self.is_usable = True

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._buffer[:end]).lower()
        length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if len(self._buffer) < end + 4 + int(length or 0):
            return
        if b"\r\nconnection: close" in head or not length:
            self.close()
        answer, self._answer = self._answer, None
        self._buffer.clear()
        if not answer.done():
            answer.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 the protocol's name
        """Called by the event loop."""
        self.is_usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(LOST)

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request -> the status of its answer, once all of the answer is there."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def close(self) -> None:
        """Close the connection and use it no longer."""
        self.is_usable = False
        if self._transport is not None:
            self._transport.close()


class HttpSender:
    """As many connections as there are requests under way, up to MAX_CONNECTIONS."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._free: list[Connection] = []
        self._num_open = 0

    async def send(self, request: bytes, on_sent: Callable[[], None]) -> int:
        """Send a request -> the status of its answer; LOST if there is none."""
        connection = None
        while self._free and connection is None:
            candidate = self._free.pop()
            connection = candidate if candidate.is_usable else None
            self._num_open -= connection is None
        try:
            if connection is None:
                if self._num_open >= MAX_CONNECTIONS:
                    return LOST
                self._num_open += 1
                loop, target = asyncio.get_running_loop(), self._target
                _, connection = await loop.create_connection(Connection, target.host, target.port)
            on_sent()
            status = await connection.ask(request)
        except OSError:
            self._num_open -= 1
            return LOST
        if connection.is_usable:
            self._free.append(connection)
        else:
            self._num_open -= 1
        return status

    async def close(self) -> None:
        """Close the connections without a request."""
        for connection in self._free:
            connection.close()


class Sender(Protocol):
    """Sends the requests of a load, any number at once."""

    async def send(self, request: bytes, on_sent: Callable[[], None]) -> int:
        """Send a request, and call `on_sent` -> the status of its answer."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class SendsTo(Protocol):
    """A place to which requests can be sent."""

    def sender(self) -> Sender:
        """What sends the requests there."""
        ...


async def send_load(
    target: SendsTo, requests: Sequence[bytes], times: NDArray[np.float64], *, patience_seconds: float = 10.0
) -> Samples:
    """Send the requests in turn, one at each of `times`.

    The last answers are awaited for `patience_seconds` after the last request.
    """
    sent, done = np.full(len(times), np.nan), np.full(len(times), np.nan)
    status = np.full(len(times), LOST)
    sender = target.sender()
    gc.disable()  # a garbage collection in the client would look like a slow server
    start = time.perf_counter()

    async def ask(number: int) -> None:
        def on_sent() -> None:
            sent[number] = time.perf_counter() - start

        try:
            status[number] = await sender.send(requests[number % len(requests)], on_sent)
        finally:
            done[number] = time.perf_counter() - start

    tasks = []
    for number, due in enumerate(times.tolist()):
        wait_seconds = due - (time.perf_counter() - start)
        if wait_seconds > 0:
            await asyncio.sleep(wait_seconds)
        tasks.append(asyncio.create_task(ask(number)))
    if tasks:
        _, unanswered = await asyncio.wait(tasks, timeout=patience_seconds)
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    await sender.close()
    gc.enable()
    gc.collect()
    return Samples(times, sent, done, status)
