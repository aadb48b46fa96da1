"""An answer is sent in one piece: a server that is killed has sent all of it or nothing."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from service.transport.joined_writes import JoinedWrites
from tests.service.transport.wire import Wire, connect

app = FastAPI(openapi_url=None)


@app.get("/whole")
async def whole() -> str:
    return "whole"


@app.get("/parts")
async def parts() -> StreamingResponse:
    """Two parts; the second is sent some turns of the event loop after the first."""

    async def stream() -> AsyncIterator[str]:
        yield "first"
        for _ in range(10):
            await asyncio.sleep(0)
        yield "second"

    return StreamingResponse(stream())


async def ask(path: str, end: bytes, headers: str = "") -> Wire:
    """Send a request -> the wire, once the sent bytes end with `end`."""
    connection, wire = connect(app)
    connection.data_received(f"GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n".encode())
    await wire.wait_for(end)
    connection.connection_lost(None)
    return wire


def test_the_head_and_the_body_are_sent_together() -> None:
    wire = asyncio.run(ask("/whole", b'"whole"'))
    assert len(wire.pieces) == 1
    assert wire.pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")


def test_they_are_sent_together_before_the_connection_is_closed() -> None:
    wire = asyncio.run(ask("/whole", b'"whole"', headers="Connection: close\r\n"))
    assert len(wire.pieces) == 1
    assert wire.is_closed


def test_a_part_is_sent_before_the_next_one_is_ready() -> None:
    wire = asyncio.run(ask("/parts", b"6\r\nsecond\r\n0\r\n\r\n"))
    assert wire.pieces[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.pieces[0].endswith(b"5\r\nfirst\r\n")


@pytest.mark.parametrize("is_aborted", [False, True])
def test_nothing_is_sent_on_a_closed_connection(is_aborted: bool) -> None:
    async def write_and_close() -> Wire:
        wire = Wire()
        joined = JoinedWrites(wire)
        joined.write(b"late")
        if is_aborted:
            joined.abort()
        else:
            wire.close()
        await asyncio.sleep(0)
        return wire

    assert asyncio.run(write_and_close()).pieces == []
