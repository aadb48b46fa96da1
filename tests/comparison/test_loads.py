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
