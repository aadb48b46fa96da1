"""The server's side of a connection without a socket: a test gives it bytes and sees what the server sends."""

import asyncio
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.api.busy import BusyRefusals
from service.api.cors import Origins
from service.transport.connection import Connection, connections_of


class Wire(asyncio.Transport):
    """Keeps each piece that is sent to the client."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False
        self.has_ended = False  # the server sends no more
        self.has_sent = asyncio.Event()
        self.has_been_ended = asyncio.Event()
        self.was_aborted = asyncio.Event()
        self.is_read = True
        self.unread = [0]  # numbers of bytes that the client has not read yet, each time that the server looks

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))
        self.has_sent.set()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.has_ended = True
        self.has_been_ended.set()

    def close(self) -> None:
        self.is_closed = True
        self.write_eof()

    def abort(self) -> None:
        self.is_closed = self.has_ended = True
        self.was_aborted.set()

    def get_write_buffer_size(self) -> int:
        return self.unread.pop(0) if len(self.unread) > 1 else self.unread[0]

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def get_extra_info(self, name: str, default: object = None) -> object:  # noqa: ARG002
        return default

    async def wait_for_pieces(self, number: int) -> None:
        """Wait until so many pieces are sent."""
        async with asyncio.timeout(30):
            while len(self.pieces) < number:
                await self.has_sent.wait()
                self.has_sent.clear()

    async def wait_for(self, end: bytes) -> None:
        """Wait until the sent bytes end with `end`."""
        async with asyncio.timeout(30):
            while not b"".join(self.pieces).endswith(end):
                await self.has_sent.wait()
                self.has_sent.clear()


def connect(
    app: FastAPI,
    head_seconds: float = 30,
    *,
    busy: BusyRefusals | None = None,
    is_draining: Callable[[], bool] = lambda: False,
    origins: Origins | None = None,
) -> tuple[Connection, Wire]:
    """A client connects to the server of `app` -> the connection, and its wire."""
    config = uvicorn.Config(app, ws="none", lifespan="off")
    config.load()
    connection = connections_of(head_seconds, busy, is_draining, origins=origins)(config, ServerState(), app_state={})
    wire = Wire()
    connection.connection_made(wire)
    return connection, wire
