"""HTTP and gRPC on real sockets, in a thread of this process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import uvicorn
from fastapi import FastAPI

from tests.service.live_server import live_server

LIMIT_SECONDS = 60.0
MAX_CONNECTIONS = 100


@dataclass(frozen=True)
class Live:
    """The addresses of the server; `stop` begins its end, as the process does after its grace period."""

    http_address: str
    address: str
    stop: Callable[[], None]


@contextmanager
def live_servers(app: FastAPI) -> Iterator[Live]:
    """Serve on two free ports."""
    pytest.importorskip("grpc")
    from service.rpc.server import RpcServer

    rpc, running, ports = RpcServer(app.state.server, MAX_CONNECTIONS), list[uvicorn.Server](), list[int]()

    async def begin(server: uvicorn.Server) -> None:
        running.append(server)
        ports.append(await rpc.start("127.0.0.1:0"))
        app.state.server.end_calls = lambda: rpc.stop(LIMIT_SECONDS)

    with live_server(app, begin=begin) as http_address:
        yield Live(http_address, f"127.0.0.1:{ports[0]}", lambda: setattr(running[0], "should_exit", True))
