"""The application on a real socket, in a thread of this process, for clients that need one."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from service.transport.connection import connections_of

LIMIT_SECONDS = 60.0


@contextmanager
def live_server(app: ASGIApp, head_seconds: float = 30) -> Iterator[str]:
    """Serve on a free port -> host:port. With `grpc_port`, gRPC is served too, at `app.state.grpc_address`."""
    connections = connections_of(head_seconds)
    server = uvicorn.Server(
        uvicorn.Config(app, port=0, log_level="warning", access_log=False, http=connections, ws="none")
    )
    has_started = threading.Event()

    async def serve() -> None:
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup()
        if isinstance(app, FastAPI) and app.state.server.settings.grpc_port is not None:
            from service.rpc.server import RpcServer  # it needs the package grpcio

            state = app.state.server
            rpc = RpcServer(state)
            app.state.grpc_address = f"127.0.0.1:{await rpc.start('127.0.0.1:0')}"
            state.end_calls = lambda: rpc.stop(LIMIT_SECONDS)
        has_started.set()
        await server.main_loop()
        await server.shutdown()

    if isinstance(app, FastAPI):
        app.state.stop_server = lambda: setattr(server, "should_exit", True)
    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert has_started.wait(60)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
