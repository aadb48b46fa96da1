"""How the process accepts connections."""

import asyncio
import socket

import pytest
import uvloop

from service.transport.process import listen, several
from tests.service.served_app import settings

NUM_CLIENTS = 12


def turns_until_accepted(sockets: list[socket.socket]) -> int:
    """How many turns of the event loop it takes until so many waiting connections are accepted."""

    async def run() -> int:
        num_accepted = 0

        class Counting(asyncio.Protocol):
            def connection_made(self, _: asyncio.BaseTransport) -> None:
                nonlocal num_accepted
                num_accepted += 1

        loop = asyncio.get_running_loop()
        clients = [socket.create_connection(sockets[0].getsockname()) for _ in range(NUM_CLIENTS)]
        servers = [await loop.create_server(Counting, sock=listener) for listener in sockets]
        num_turns = 0
        async with asyncio.timeout(60):
            while num_accepted < NUM_CLIENTS:
                await asyncio.sleep(0)
                num_turns += 1
        for server in servers:
            server.close()
        for client in clients:
            client.close()
        return num_turns

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


@pytest.fixture
def listener() -> socket.socket:
    return listen(settings(port=0))


def test_waiting_connections_are_accepted_together(listener: socket.socket) -> None:
    assert turns_until_accepted(several(listener)) < NUM_CLIENTS
