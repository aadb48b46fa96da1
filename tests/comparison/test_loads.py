"""The closed loop, against a server that answers everything with one status."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from comparison.loads import answers_a_second
from service.benchmark.http_load import Target


def answering(status: str) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    return answer


@pytest.mark.parametrize(("status", "is_counted"), [("200 OK", True), ("503 Busy", False)])
def test_the_closed_loop_counts_good_answers(status: str, is_counted: bool) -> None:
    async def measure() -> float:
        async with await asyncio.start_server(answering(status), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            target = Target("127.0.0.1", port, "/")
            return await answers_a_second(target, [target.post(b"", {})], num_connections=2, seconds=1.0)

    assert (asyncio.run(measure()) > 0) is is_counted


def test_answers_before_the_lead_is_over_do_not_count() -> None:
    num_answered = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal num_answered
        while await reader.read(1000):
            num_answered += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async def measure() -> float:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            target = Target("127.0.0.1", server.sockets[0].getsockname()[1], "/")
            requests = [target.post(b"", {})]
            return await answers_a_second(target, requests, num_connections=2, seconds=1.0, lead_seconds=0.5)

    assert 0 < asyncio.run(measure()) < num_answered
