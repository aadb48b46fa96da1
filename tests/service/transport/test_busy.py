"""A connection whose request is refused because the event loop is late."""

import asyncio
from collections.abc import Callable

import pytest
from fastapi import FastAPI, Request
from prometheus_client import CollectorRegistry

from service.api import patience
from service.api.busy import BusyRefusals
from service.scheduling.loop_lag import LoopLag
from service.telemetry.metrics import Metrics
from service.transport.connection import Connection
from tests.service.transport.wire import Wire, connect

app = FastAPI(openapi_url=None)
BODY = b"x" * 1000


@app.post("/detect")
async def detect(request: Request) -> int:
    return len(await request.body())


def post(*headers: str, body: bytes = BODY) -> bytes:
    lines = ["POST /detect HTTP/1.1", "Host: here", f"Content-Length: {len(BODY)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@pytest.fixture(autouse=True)
def second_refusals_are_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "NUM_FREE", 0)


class Server:
    """Refuses while `is_busy`."""

    is_busy = True

    def __init__(self) -> None:
        lag = LoopLag()
        lag.count_requests = lambda: 1000 if self.is_busy else 0
        for _ in range(100):
            lag.learn(1.0, 1000)
        self._busy = BusyRefusals(Metrics(CollectorRegistry()), lag)

    def connect(
        self, is_draining: Callable[[], bool] = lambda: False, head_seconds: float = 30
    ) -> tuple[Connection, Wire]:
        return connect(app, head_seconds, busy=self._busy, is_draining=is_draining)


def test_the_body_of_a_refused_request_is_no_part_of_the_next_one() -> None:
    async def run() -> None:
        server = Server()
        connection, wire = server.connect()
        connection.data_received(post(body=BODY[:300]))
        (refusal,) = wire.pieces
        assert refusal.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        server.is_busy = False
        connection.data_received(BODY[300:])
        assert not wire.is_closed
        connection.data_received(post())
        await wire.wait_for(b"\r\n\r\n1000")
        assert [piece[:13] for piece in wire.pieces] == [b"HTTP/1.1 503 ", b"HTTP/1.1 200 "]
        connection.connection_lost(None)

    asyncio.run(run())


def test_several_requests_on_one_connection_are_refused() -> None:
    async def run() -> None:
        connection, wire = Server().connect()
        connection.data_received(post() + post())
        connection.data_received(post())
        await wire.wait_for_pieces(3)
        assert [piece[:13] for piece in wire.pieces] == [b"HTTP/1.1 503 "] * 3
        assert not wire.is_closed
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_refusal_does_not_overtake_the_answer_to_an_earlier_request() -> None:
    async def run() -> None:
        server = Server()
        server.is_busy = False
        connection, wire = server.connect()
        connection.data_received(post())
        server.is_busy = True
        connection.data_received(post())
        await wire.wait_for(b"\r\n\r\n1000")
        assert wire.pieces[0].startswith(b"HTTP/1.1 200 ")
        connection.connection_lost(None)

    asyncio.run(run())


def test_what_follows_the_head_of_a_refused_request_is_ignored_in_any_pieces() -> None:
    async def run() -> None:
        server = Server()
        connection, wire = server.connect()
        connection.data_received(post())
        for size in (1, 100, 999):
            connection.data_received(post(body=BODY[:size]))
            connection.data_received(BODY[size:])
        connection.data_received(post(body=BODY[:100]))
        server.is_busy = False
        connection.data_received(BODY[100:] + post())
        await wire.wait_for(b"\r\n\r\n1000")
        assert [piece[:13] for piece in wire.pieces] == [b"HTTP/1.1 503 "] * 5 + [b"HTTP/1.1 200 "]
        connection.data_received(b"nonsense\r\n\r\n")
        assert wire.pieces[-1].startswith(b"HTTP/1.1 400 ")
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_head_in_two_pieces_is_refused() -> None:
    async def run() -> None:
        connection, wire = Server().connect()
        connection.data_received(post())
        connection.data_received(post()[:30])
        connection.data_received(post()[30:])
        await wire.wait_for_pieces(2)
        assert [piece[:13] for piece in wire.pieces] == [b"HTTP/1.1 503 "] * 2
        connection.connection_lost(None)

    asyncio.run(run())


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_request_behind_a_large_body_is_answered(is_busy: bool) -> None:
    async def run() -> None:
        server = Server()
        connection, wire = server.connect()
        connection.data_received(post())
        server.is_busy = is_busy
        body = b"x" * 200_000
        data = b"POST /detect HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        connection.data_received(data[:70_000])
        connection.data_received(data[70_000:] + post()[:10])
        connection.data_received(post()[10:])
        connection.data_received(post() * 1000 + post()[:10])
        connection.data_received(post()[10:])
        if is_busy:
            await wire.wait_for_pieces(1004)
        else:
            await wire.wait_for(b"\r\n\r\n1000")
        statuses = {piece[9:12] for piece in wire.pieces[1:]}
        assert statuses == {b"503" if is_busy else b"200"}
        assert not wire.has_ended
        assert not is_busy or len(wire.pieces) == 1004
        connection.connection_lost(None)

    asyncio.run(run())


def test_after_a_body_in_pieces_the_wait_for_the_next_request_is_uvicorns(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        server = Server()
        connection, wire = server.connect()
        monkeypatch.setattr(connection, "timeout_keep_alive", 0.01)
        for _ in range(2):  # by the parser, and without
            connection.data_received(post(body=BODY[:10]))
            connection.data_received(BODY[10:])
        async with asyncio.timeout(20):  # less than head_seconds
            await wire.has_been_ended.wait()
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_refused_client_may_send_its_next_request_but_not_be_slow_with_its_body() -> None:
    async def run() -> None:
        server = Server()
        first, _ = server.connect(head_seconds=0.05)
        first.data_received(post())
        (patient, its_wire), (slow, slow_wire) = server.connect(head_seconds=0.05), server.connect(head_seconds=0.05)
        patient.data_received(post())
        slow.data_received(post(body=BODY[:1]))
        async with asyncio.timeout(30):
            await slow_wire.has_been_ended.wait()
        assert not its_wire.has_ended
        for connection in (first, patient, slow):
            connection.connection_lost(None)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("header", "is_draining"), [("Connection: close", False), ("Expect: 100-continue", False), ("A: b", True)]
)
def test_a_refusal_closes_the_connection_if_the_client_wants_it_or_may_send_no_body_or_the_server_drains(
    header: str, is_draining: bool
) -> None:
    async def run() -> None:
        connection, wire = Server().connect(lambda: is_draining)
        connection.data_received(post(header, body=b""))
        connection.data_received(post())
        (refusal,) = wire.pieces
        assert b"\r\nconnection: close\r\n" in refusal
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_client_that_does_not_wait_is_not_read_until_it_is_answered() -> None:
    async def run() -> None:
        connection, wire = Server().connect()
        connection.data_received(post())
        assert (len(wire.pieces), wire.is_read) == (1, True)
        connection.data_received(post(body=BODY[:10]))
        assert (len(wire.pieces), wire.is_read) == (1, False)
        await wire.wait_for_pieces(2)
        assert wire.is_read
        connection.data_received(BODY[10:] + post())  # by the parser
        assert (len(wire.pieces), wire.is_read) == (2, False)
        await wire.wait_for_pieces(3)
        assert wire.is_read
        assert [piece[:13] for piece in wire.pieces] == [b"HTTP/1.1 503 "] * 3
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_refusal_that_is_held_back_comes_before_the_answer_to_the_next_request() -> None:
    async def run() -> None:
        server = Server()
        connection, wire = server.connect()
        connection.data_received(post())
        connection.data_received(post())
        server.is_busy = False
        connection.data_received(post())  # it was on its way
        await wire.wait_for(b"\r\n\r\n1000")
        assert [piece[9:12] for piece in wire.pieces] == [b"503", b"503", b"200"]
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_server_that_shuts_down_sends_what_it_holds_back() -> None:
    async def run() -> None:
        is_draining = False
        connection, wire = Server().connect(lambda: is_draining)
        connection.data_received(post())
        connection.data_received(post())
        assert len(wire.pieces) == 1
        is_draining = True
        connection.shutdown()
        assert [b"\r\nconnection: close\r\n" in piece for piece in wire.pieces] == [False, True]
        assert wire.has_ended
        connection.connection_lost(None)

    asyncio.run(run())


def test_nothing_is_sent_to_a_client_that_leaves_while_its_refusal_is_held_back() -> None:
    async def run() -> None:
        connection, wire = Server().connect()
        connection.data_received(post())
        connection.data_received(post())
        connection.connection_lost(None)
        await asyncio.sleep(0.05)
        assert len(wire.pieces) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("rest", "statuses"),
    [
        (post() + b"nonsense\r\n\r\n", [b"503", b"503", b"400"]),
        (post() + b"POST /detect HTTP/1.1\r\nA: " + b"a" * 100_000, [b"503", b"503", b"431"]),
        (b"POST /detect HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", [b"503", b"503"]),
    ],
)
def test_a_refusal_that_is_held_back_is_sent_before_the_connection_closes_because_of_what_follows(
    rest: bytes, statuses: list[bytes]
) -> None:
    async def run() -> None:
        connection, wire = Server().connect()
        connection.data_received(post())
        connection.data_received(rest)
        async with asyncio.timeout(20):
            await wire.has_been_ended.wait()
        assert [answer[9:12] for answer in wire.pieces] == statuses
        connection.connection_lost(None)

    asyncio.run(run())


def test_a_refusal_that_is_held_back_is_sent_before_the_connection_closes_because_its_client_is_slow() -> None:
    async def run() -> None:
        connection, wire = Server().connect(head_seconds=0.001)
        connection.data_received(post())
        connection.data_received(post(body=BODY[:1]))
        async with asyncio.timeout(20):
            await wire.has_been_ended.wait()
        assert [piece[9:12] for piece in wire.pieces] == [b"503", b"503"]
        connection.connection_lost(None)

    asyncio.run(run())
