"""Where a request ends and the next one begins: no byte of a body is ever taken for a request."""

import asyncio
import re
from itertools import pairwise

import pytest
from fastapi import FastAPI, Request
from hypothesis import given, settings
from hypothesis import strategies as st

from service.transport.size_limits import MAX_HEAD_BYTES, MIN_CHUNK_BYTES
from tests.service.transport.wire import connect

INNER = b"GET /healthz HTTP/1.1\r\nHost: inner\r\n\r\n"  # as a body
POST = b"POST /length HTTP/1.1\r\nHost: here\r\n"
EARLY = b"POST /early HTTP/1.1\r\nHost: here\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(INNER)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%s\r\n0\r\n\r\n" % (len(INNER), INNER)
app = FastAPI(openapi_url=None)


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.post("/length")
async def length(request: Request) -> int:
    return len(await request.body())


@app.get("/padded")
async def padded(request: Request) -> str:
    return request.headers["x-padded"]


@app.post("/early")
async def early() -> str:
    """Answers without the body."""
    return "early"


async def exchange(*parts: bytes) -> tuple[list[int], bytes, bool]:
    """Send the parts, each when the answers to those before it are written -> statuses, the last body, is ended."""
    connection, wire = connect(app)
    for part in parts:
        if not wire.is_closed:
            connection.data_received(part)
        while connection.tasks and not all(task.done() for task in connection.tasks):
            before = len(wire.pieces)
            for _ in range(
                50
            ):  # the application needs some turns of the event loop; it may also wait for the next part
                await asyncio.sleep(0)
            if len(wire.pieces) == before:
                break
        await asyncio.sleep(0)
    sent, has_ended = b"".join(wire.pieces), wire.has_ended
    connection.connection_lost(None)
    await asyncio.gather(*connection.tasks, return_exceptions=True)
    statuses = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", sent)]
    return statuses, sent.rpartition(b"\r\n\r\n")[2], has_ended


@pytest.mark.parametrize(
    "headers",
    [
        b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQ\r\n",
        b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n",
        b"UPGRADE: TLS/1.0\r\nupgrade: foo/2\r\nConnection: upgrade\r\n",
        b"Connection: upgrade\r\n",
        b"Upgrade: h2c\r\n",
    ],
)
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED])
def test_an_upgrade_is_ignored_and_the_body_kept(headers: bytes, framing: bytes) -> None:
    body = INNER if framing == LENGTH else CHUNKS
    head = POST + headers + framing + b"\r\n"
    for parts in ((head + body,), (head, body), (head[:50], head[50:], body[:7], body[7:])):
        statuses, last, is_closed = asyncio.run(exchange(*parts, INNER))
        assert statuses == [200, 200]
        assert (last, is_closed) == (b'"ok"', False)
    statuses, last, _ = asyncio.run(exchange(head, body))
    assert (statuses, last) == ([200], b"%d" % len(INNER))


def test_pipelined_upgrades_are_answered_each() -> None:
    request = POST + b"Upgrade: h2c\r\nConnection: upgrade\r\n" + LENGTH + b"\r\n" + INNER
    assert asyncio.run(exchange(3 * request, INNER))[0] == [200, 200, 200, 200]


def test_an_upgrade_keeps_the_other_options_of_the_connection() -> None:
    head = POST + b"Upgrade: h2c\r\nConnection: close, upgrade\r\n" + LENGTH + b"\r\n"
    assert asyncio.run(exchange(head, INNER)) == ([200], b"%d" % len(INNER), True)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"CONNECT /healthz HTTP/1.1\r\nHost: here\r\n" + LENGTH + b"\r\n",
        b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        POST + b"Content-Length: 3, 3\r\n\r\n",
        POST + b"Content-Length: +3\r\n\r\n",
        POST + b"Content-Length: -3\r\n\r\n",
        POST + b"Content-Length: 3 0\r\n\r\n",
        POST + b"Content-Length : 3\r\n\r\n",
        POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        POST + b"Content-Length: 3\r\n 4\r\n\r\n",
        POST + CHUNKED + LENGTH + b"\r\n",
        POST + LENGTH + CHUNKED + b"\r\n",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
        POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n",
        POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n",
        POST + CHUNKED + b"\r\n0x3\r\n",
        POST + CHUNKED + b"\r\n-3\r\n",
        POST + CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n",
        POST + CHUNKED + b"\r\n3;name\nabc\r\n",
        POST + CHUNKED + b"\r\n3\r\nabcd",
        POST + CHUNKED + b"\r\n0\r\nContent-Length: 5\r\n\r\n",
        POST + b"X-Folded: a\r\n b\r\nUpgrade: h2c\r\nConnection: upgrade\r\n" + LENGTH + b"\r\n",
        POST + b"X-Bare: a\rb\r\n\r\n",
        POST + b"X-Nul: a\0b\r\n\r\n",
        POST.replace(b"\r\n", b"\n") + b"\n",
        b"GET /\xff HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET http://here HTTP/1.1\r\nHost: here\r\n\r\n",
    ],
)
def test_invalid_framing_gets_one_400_and_nothing_after_it(request_bytes: bytes) -> None:
    for parts in ((request_bytes, INNER), (request_bytes + INNER, INNER)):
        statuses, _, is_closed = asyncio.run(exchange(*parts))
        assert (statuses, is_closed) == ([400], True)


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + b"Content-Length: " + b"0" * 5000 + LENGTH.split()[1] + b"\r\n\r\n" + INNER,
        POST + b"Content-Length:   " + LENGTH.split()[1] + b"  \r\n\r\n" + INNER,
        POST + CHUNKED + b"\r\n" + CHUNKS.replace(b"\r\n", b';name="value"\r\n', 1),
        POST + CHUNKED + b"\r\n" + CHUNKS[:-2] + b"X-Trailer: value\r\n\r\n",
        POST + LENGTH + b"\r\n" + INNER + b"\r\n\r\n",
    ],
)
def test_unusual_framing_is_read(request_bytes: bytes) -> None:
    assert asyncio.run(exchange(request_bytes)) == ([200], b"%d" % len(INNER), False)
    assert asyncio.run(exchange(request_bytes + INNER))[0] == [200, 200]


def test_white_space_around_the_value_of_a_header_is_no_part_of_it() -> None:
    head = POST + b"Expect: \t 100-continue \t\r\nX-Padded:  value \t \r\n" + LENGTH + b"\r\n"
    assert asyncio.run(exchange(head, INNER))[0] == [100, 200]
    padded = b"GET /padded HTTP/1.1\r\nX-Padded: \t a value \t \r\n\r\n"
    assert asyncio.run(exchange(padded)) == ([200], b'"a value"', False)


def test_requests_before_an_invalid_one_are_answered() -> None:
    for bad in (b"\0", POST + CHUNKED + b"\r\nzz\r\n"):
        assert asyncio.run(exchange(INNER + INNER + bad, INNER)) == ([200, 200], b'"ok"', True)


def test_the_rest_of_an_answered_request_is_discarded() -> None:
    assert asyncio.run(exchange(EARLY + LENGTH + b"\r\n", INNER)) == ([200], b'"early"', False)
    assert asyncio.run(exchange(EARLY + LENGTH + b"\r\n", INNER, INNER))[0] == [200, 200]
    assert asyncio.run(exchange(EARLY + CHUNKED + b"\r\n", b"zz\r\n")) == ([200], b'"early"', True)


def test_an_answer_before_a_body_that_awaits_100_continue_closes_the_connection() -> None:
    expect = b"Expect: 100-continue\r\n" + LENGTH + b"\r\n"
    assert asyncio.run(exchange(EARLY + expect, INNER)) == ([200], b'"early"', True)
    assert asyncio.run(exchange(POST + expect, INNER)) == ([100, 200], b"%d" % len(INNER), False)


def test_chunks_with_too_much_around_them_are_refused() -> None:
    head = POST + CHUNKED + b"\r\n"
    many = b"1;%s\r\na\r\n" % (b"x" * 1000) * (MAX_HEAD_BYTES // 1000 + 5)
    trailers = b"0\r\n" + b"X-Trailer: value\r\n" * (MAX_HEAD_BYTES // 18 + 1)
    small = b"1\r\na\r\n" * (MAX_HEAD_BYTES // 4)
    for parts in ((head, many), (head, b"1\r\na\r\n", trailers), (head, small, small)):
        statuses, _, is_closed = asyncio.run(exchange(*parts))
        assert (statuses, is_closed) == ([431], True)
    chunk = b"%x\r\n%s\r\n" % (MIN_CHUNK_BYTES, b"a" * MIN_CHUNK_BYTES)
    assert asyncio.run(exchange(head, chunk * 50_000, b"0\r\n\r\n")) == ([200], b"1000000", False)


def test_a_client_that_never_sends_the_rest_of_an_answered_request_is_disconnected() -> None:
    async def run() -> bool:
        connection, wire = connect(app, head_seconds=0.01)
        connection.data_received(EARLY + b"Content-Length: 1000000\r\n\r\n")
        await wire.wait_for(b'"early"')
        async with asyncio.timeout(30):
            while not wire.is_closed:
                connection.data_received(b"x")  # one byte at a time keeps uvicorn's own timer from ending
                await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire.is_closed

    assert asyncio.run(run())


UPGRADES = (b"", b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"Connection: Upgrade, x\r\nUpgrade: websocket\r\n")
FRAMINGS = (b"Content-Length: %d\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n")
bodies = st.binary(min_size=1, max_size=40) | st.sampled_from([INNER, CHUNKS, b"0\r\n\r\n", b"\r\n\r\n" + INNER])


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A valid request with a body, and what its answer should be."""
    body, upgrade, framing = draw(bodies), draw(st.sampled_from(UPGRADES)), draw(st.sampled_from(FRAMINGS))
    if b"%d" in framing:
        return POST + upgrade + framing % len(body) + body, b"%d" % len(body)
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=3)) | {0, len(body)})
    chunks = b"".join(b"%x\r\n%s\r\n" % (end - start, body[start:end]) for start, end in pairwise(cuts))
    return POST + upgrade + framing + chunks + b"0\r\n\r\n", b"%d" % len(body)


def pieces(data: bytes, cuts: set[int]) -> list[bytes]:
    return [data[start:end] for start, end in pairwise(sorted({0, len(data), *(cut % len(data) for cut in cuts)}))]


@settings(deadline=None)
@given(sent=st.lists(requests(), min_size=1, max_size=4), cuts=st.sets(st.integers(0, 2000), max_size=5))
def test_each_request_gets_one_answer_however_the_bytes_arrive(sent: list[tuple[bytes, bytes]], cuts: set[int]) -> None:
    parts = pieces(b"".join(request for request, _ in sent), cuts)
    statuses, last, is_closed = asyncio.run(exchange(*parts))
    assert (statuses, last, is_closed) == ([200] * len(sent), sent[-1][1], False)


@settings(deadline=None)
@given(
    sent=st.lists(requests(), min_size=1, max_size=3),
    changes=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
    cuts=st.sets(st.integers(0, 2000), max_size=3),
)
def test_damaged_requests_get_no_more_answers_than_there_are_requests(
    sent: list[tuple[bytes, bytes]], changes: list[tuple[int, int, bytes]], cuts: set[int]
) -> None:
    data = b"".join(request for request, _ in sent)
    for at, removed, inserted in changes:
        at %= len(data)
        data = data[:at] + inserted + data[at + removed :]
    statuses, _, _ = asyncio.run(exchange(*pieces(data, cuts)))
    assert set(statuses) <= {200, 400, 404, 405, 431}
    assert len(statuses) <= len(re.findall(rb"HTTP/|\r\n\r\n", data)) + 1
