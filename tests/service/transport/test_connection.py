"""The head of a request is limited in time and size, so that no client holds a connection or fills the memory."""

import asyncio
import socket
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import NoReturn

import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from service.api.disconnect import disconnect_of
from service.api.problems import RequestError
from service.transport import connection
from service.transport.size_limits import MAX_HEAD_BYTES
from tests.service.live_server import live_server
from tests.service.transport.wire import Wire
from tests.service.transport.wire import connect as open_connection
from tests.service.wait import wait_until

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n"
app = FastAPI(openapi_url=None)
states: list[str] = []  # of the requests for /endless


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.get("/large")
async def large() -> Response:
    return Response(bytes(20_000_000))


@app.post("/endless")
async def endless(request: Request) -> None:
    """Like /detect while the engine runs."""
    await request.body()
    try:
        with disconnect_of(request.scope):
            states.append("begun")
            await asyncio.Event().wait()
    except RequestError as error:
        states.append(error.detail)


@pytest.fixture(scope="module")
def impatient() -> Iterator[str]:
    """A server that waits 0.1 s for the head of a request."""
    with live_server(app, head_seconds=0.1) as address:
        yield address


@pytest.fixture
def client(impatient: str) -> Iterator[socket.socket]:
    with connect(impatient) as connected:
        yield connected


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    """A client of a server that waits longer than it takes to send a large body."""
    with live_server(app) as address, connect(address) as connected:
        yield connected


def connect(address: str) -> socket.socket:
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_all(client: socket.socket) -> bytes:
    """Everything that the server sends until it closes the connection."""
    return b"".join(iter(lambda: client.recv(65536), b""))


def send_without_end(client: socket.socket) -> NoReturn:
    while True:
        client.sendall(bytes(100_000))


def send_line_breaks(client: socket.socket) -> None:
    for _ in range(1000):
        client.sendall(b"\r\n")
        time.sleep(0.01)


def test_the_connection_of_a_silent_client_is_closed(client: socket.socket) -> None:
    assert read_all(client) == b""


@pytest.mark.parametrize("part", [REQUEST[:1], REQUEST[:20], REQUEST[:-2]])
def test_an_incomplete_head_is_a_408(client: socket.socket, part: bytes) -> None:
    client.sendall(part)
    assert read_all(client).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_an_incomplete_head_of_the_second_request_is_a_408(client: socket.socket) -> None:
    client.sendall(REQUEST + REQUEST[:20])
    answers = read_all(client)
    assert answers.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"ok"HTTP/1.1 408 Request Timeout\r\n' in answers


def test_a_head_that_is_too_large_is_a_431(client: socket.socket) -> None:
    start = REQUEST[:-2] + b"X-Long: "
    client.sendall(start + b"a" * (MAX_HEAD_BYTES + 1 - len(start)))
    assert read_all(client).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


@pytest.mark.parametrize("header", [b"Connection: close", b"Expect: 100-continue"])
def test_a_client_that_is_refused_while_it_sends_gets_the_answer(sender: socket.socket, header: bytes) -> None:
    body = bytes(20_000_000)  # more than the buffers of the system hold
    head = b"POST /healthz HTTP/1.1\r\nHost: here\r\n%s\r\nContent-Length: %d\r\n\r\n" % (header, len(body))
    sender.sendall(head)
    sender.sendall(body)
    assert read_all(sender).startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")


def test_a_client_that_sends_no_http_gets_the_answer_too(sender: socket.socket) -> None:
    sender.sendall(b"POST /healthz HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + 20_000_000 * b"z")
    assert read_all(sender).startswith((b"HTTP/1.1 400 Bad Request\r\n", b"HTTP/1.1 405 Method Not Allowed\r\n"))


def test_a_client_that_goes_on_sending_after_its_answer_is_disconnected(
    sender: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.05)
    sender.sendall(b"POST /healthz HTTP/1.1\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n")
    with pytest.raises(ConnectionError):
        send_without_end(sender)


def test_a_client_that_reads_nothing_is_disconnected() -> None:
    with live_server(app, head_seconds=0.1) as address, connect(address) as client:
        client.sendall(b"GET /large HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionError):
            send_line_breaks(client)  # they are no request


def test_a_client_that_leaves_after_a_large_body_is_noticed(client: socket.socket) -> None:
    states.clear()
    client.sendall(b"POST /endless HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000\r\n\r\n" + bytes(1_000_000))
    wait_until(lambda: states == ["begun"])
    client.close()
    wait_until(lambda: len(states) == 2)


def test_a_request_ends_when_its_client_disconnects(impatient: str) -> None:
    states.clear()
    with connect(impatient) as client:
        client.sendall(b"POST /endless HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\n\r\n")
        wait_until(lambda: states == ["begun"])
    wait_until(lambda: "disconnected" in states[-1])


def test_line_breaks_between_requests_do_not_hold_a_connection(client: socket.socket) -> None:
    client.sendall(REQUEST)
    with pytest.raises(ConnectionError):
        send_line_breaks(client)


@pytest.mark.parametrize("is_closing", [False, True])
def test_a_slow_reader_is_not_disconnected_before_it_stops_reading(is_closing: bool) -> None:
    async def run() -> Wire:
        protocol, wire = open_connection(app, head_seconds=0.001)
        wire.unread = [100, 80, 60, 60]
        if is_closing:
            protocol.transport.close()
        else:
            protocol.pause_writing()
        async with asyncio.timeout(30):
            await wire.was_aborted.wait()
        protocol.connection_lost(None)
        return wire

    assert asyncio.run(run()).unread == [60]


def test_bytes_that_are_not_http_get_one_400(client: socket.socket) -> None:
    client.sendall(b"\x16\x03\x01 hello\r\n")
    answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_connection_stays_open_between_requests_for_longer_than_the_limit_of_a_head(impatient: str) -> None:
    kept = HTTPConnection(impatient)
    for _ in range(2):
        kept.request("GET", "/healthz")
        assert kept.getresponse().read() == b'"ok"'
        kept.sock.settimeout(0.3)  # three times as long
        with pytest.raises(TimeoutError):
            kept.sock.recv(1)
        kept.sock.settimeout(30)
    kept.close()
