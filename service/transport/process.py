"""The process: it listens, serves, drains at SIGTERM and ends."""

import asyncio
import gc
import signal
import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI

from service.api.server import Server
from service.settings import Settings
from service.transport.connection import connections_of

LINGER_SECONDS = 0.2  # uvicorn would close a connection whose request is still on its way


class DrainingServer(uvicorn.Server):
    """Uvicorn, but SIGTERM turns readiness off, then a grace period passes, then it closes; uvicorn has no hook for that."""

    def __init__(self, config: uvicorn.Config, server: Server, address: str) -> None:
        super().__init__(config)
        self._server = server
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Say where we are, once we are there."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again and again would hold up requests
        repository = self._server.repository
        names, engine = ", ".join(repository.names()), repository.models[0].engine_description
        print(f"singleshot: serving {names} on {self._address} ({engine})", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM drains; SIGINT, or a second SIGTERM, does so without the grace period. The exit status is 0."""
        if not self.started:
            super().handle_exit(sig, frame)
            return
        is_first = not self._server.is_draining
        self._server.is_draining = True
        grace_seconds = self._server.settings.drain_grace_seconds if is_first and sig == signal.SIGTERM else 0
        self._loop.call_soon_threadsafe(self._loop.call_later, grace_seconds, self._finish)

    def _finish(self) -> None:
        """Close the door, and a moment later, when what was on its way has arrived, the connections."""
        for server in self.servers:
            server.close()
        self._loop.call_later(LINGER_SECONDS, setattr, self, "should_exit", True)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the host and port, so that a taken port is known before the models load; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def run(app: FastAPI, settings: Settings, listener: socket.socket) -> int:
    """Serve until a signal comes and what was accepted is answered -> exit status."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=connections_of(settings.receive_seconds),
        ws="none",
        timeout_graceful_shutdown=round(settings.drain_limit_seconds),
    )
    server = DrainingServer(config, app.state.server, f"http://{host}:{listener.getsockname()[1]}/")
    server.run(sockets=[listener])
    return 0
