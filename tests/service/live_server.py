"""The application on a real socket, in a thread of this process, for clients that need one."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from service.transport.connection import connections_of


@contextmanager
def live_server(
    app: ASGIApp,
    head_seconds: float = 30,
    begin: Callable[[uvicorn.Server], Awaitable[None]] | None = None,
    port: int = 0,
) -> Iterator[str]:
    """Serve on `port`, 0 for a free one -> host:port; `begin` runs on the event loop of the started server."""
    connections = connections_of(head_seconds)
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, log_level="warning", access_log=False, http=connections, ws="none")
    )
    has_started = threading.Event()

    async def serve() -> None:
        server.config.load()
        server.lifespan = server.config.lifespan_class(server.config)
        await server.startup()
        if begin is not None:
            await begin(server)
        has_started.set()
        await server.main_loop()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert has_started.wait(60)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()
