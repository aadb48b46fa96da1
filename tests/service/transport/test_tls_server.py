"""Clients that connect with TLS: the limits of a connection hold for them, before and after the handshake."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvicorn
import uvloop
from fastapi import FastAPI
from uvicorn.server import ServerState

from service.transport.certificate import Certificate
from service.transport.connection import MAX_LINGERING, ConnectionLimit, connections_of
from service.transport.tls_server import TlsServer
from tests.service.certificates import Pair, write_pair
from tests.service.served_app import settings

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


class Server:
    """A TLS server in this event loop, and its clients."""

    def __init__(self, pair: Pair, head_seconds: float, max_connections: int) -> None:
        self.pair = pair
        self.num_refused = 0
        app = FastAPI()
        app.post("/")(lambda: {})
        config = uvicorn.Config(app, ws="none", lifespan="off")
        config.load()
        self.state = ServerState()
        limit = ConnectionLimit(max_connections, self._count)
        make = connections_of(head_seconds, limit=limit)
        listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = listener.getsockname()
        certificate = Certificate(settings(ssl_certfile=pair.certificate, ssl_keyfile=pair.key))
        connections = self.state.connections
        self.tls = TlsServer(listener, certificate, lambda: make(config, self.state, {}), connections)

    def _count(self) -> None:
        self.num_refused += 1

    async def connect(self, is_tls: bool = True) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.create_default_context(cafile=self.pair.certificate) if is_tls else None
        return await asyncio.open_connection(*self.address, ssl=context)


@asynccontextmanager
async def serving(pair: Pair, head_seconds: float = 30, max_connections: int = 100) -> AsyncIterator[Server]:
    server = Server(pair, head_seconds, max_connections)
    try:
        async with asyncio.timeout(30):
            yield server
    finally:
        server.tls.close()
        await server.tls.end_handshakes()
        for connection in list(server.state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


@pytest.fixture(params=LOOPS, ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    return asyncio.Runner(loop_factory=request.param)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder: Path = tmp_path_factory.mktemp("pair")
    return write_pair(folder)


def test_requests_are_answered_one_after_the_other(runner: asyncio.Runner, pair: Pair) -> None:
    async def check() -> None:
        async with serving(pair) as server:
            reader, writer = await server.connect()
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() in (None, "http/1.1")
            for part in (REQUEST, REQUEST[:3], REQUEST[3:-2], REQUEST[-2:]):
                writer.write(part)
                if part.endswith(b"lo"):
                    assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200 ")
            writer.transport.abort()

    with runner:
        runner.run(check())


def test_a_client_that_never_begins_the_handshake_is_disconnected(runner: asyncio.Runner, pair: Pair) -> None:
    async def check() -> None:
        async with serving(pair, head_seconds=0.1) as server:
            reader, writer = await server.connect(is_tls=False)
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await reader.readexactly(1)
            assert server.state.connections == set()
            writer.close()

    with runner:
        runner.run(check())


def test_a_client_that_sends_no_request_after_the_handshake_is_told(runner: asyncio.Runner, pair: Pair) -> None:
    async def check() -> None:
        async with serving(pair, head_seconds=1) as server:
            reader, writer = await server.connect()
            writer.write(REQUEST[:10])
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 408 ")
            writer.transport.abort()

    with runner:
        runner.run(check())


def test_plain_http_is_no_handshake_and_leaves_nothing(runner: asyncio.Runner, pair: Pair) -> None:
    async def check() -> None:
        async with serving(pair) as server:
            reader, writer = await server.connect(is_tls=False)
            writer.write(REQUEST)
            assert b"HTTP" not in await until_closed(reader)
            writer.close()
            await until(lambda: not server.state.connections)

    with runner:
        runner.run(check())


def test_clients_count_before_their_handshake_and_too_many_are_closed_at_once(
    runner: asyncio.Runner, pair: Pair
) -> None:
    async def check() -> None:
        async with serving(pair, max_connections=1) as server:
            silent = [await server.connect(is_tls=False) for _ in range(MAX_LINGERING)]
            await until(lambda: len(server.state.connections) == len(silent))
            reader, writer = await server.connect()  # it may linger
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 503 ")
            silent.append((reader, writer))
            assert server.num_refused == 1
            last, closing = await server.connect(is_tls=False)
            assert await until_closed(last) == b""
            closing.close()
            assert server.num_refused == 2
            for _, client in silent:
                client.transport.abort()
            await until(lambda: not server.state.connections)

    with runner:
        runner.run(check())


def test_the_only_client_that_may_connect_is_served(runner: asyncio.Runner, pair: Pair) -> None:
    async def check() -> None:
        async with serving(pair, max_connections=1) as server:
            reader, writer = await server.connect()
            writer.write(REQUEST)
            assert (await reader.readuntil(b"{}")).startswith(b"HTTP/1.1 200 ")
            writer.transport.abort()

    with runner:
        runner.run(check())


def test_a_client_that_still_sends_reads_the_refusal(runner: asyncio.Runner, pair: Pair) -> None:
    async def check() -> None:
        async with serving(pair) as server:
            reader, writer = await server.connect()
            writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 431 ")
            writer.write(b"x" * 100_000)
            await writer.drain()
            writer.transport.abort()

    with runner:
        runner.run(check())


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""


async def until(is_true: Callable[[], bool]) -> None:
    while not is_true():  # noqa: ASYNC110 (the server has no event for it)
        await asyncio.sleep(0.001)
