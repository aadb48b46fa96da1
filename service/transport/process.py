"""The process: it listens, serves, drains on SIGTERM and ends."""

import asyncio
import gc
import signal
import socket
import sys
from types import FrameType

import cv2
import uvicorn
from fastapi import FastAPI

from service.api.server import Server
from service.settings import Settings
from service.transport.connection import connections_of

LINGER_SECONDS = 0.2  # for requests in transit; uvicorn would close their connections
SWITCH_SECONDS = 1e-4  # how long a Python thread keeps the interpreter from a decoding thread; Python's default is 5 ms


class DrainingServer(uvicorn.Server):
    """Uvicorn with a grace period between SIGTERM, which ends readiness, and shutdown; uvicorn has no hook for that."""

    def __init__(self, config: uvicorn.Config, server: Server, address: str) -> None:
        super().__init__(config)
        self._server = server
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the names of the models and the address."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        gc.collect()
        gc.freeze()  # these objects live as long as the process; collections that visit them would delay requests
        repository = self._server.repository
        names, engine = ", ".join(repository.names()), repository.models[0].engine_description
        print(f"singleshot: serving {names} on {self._address} ({engine})", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM drains with the grace period; SIGINT, or a second SIGTERM, without it. The exit status is 0."""
        if not self.started:
            super().handle_exit(sig, frame)
            return
        is_first = not self._server.is_draining
        self._server.is_draining = True
        grace_seconds = self._server.settings.drain_grace_seconds if is_first and sig == signal.SIGTERM else 0
        self._loop.call_soon_threadsafe(self._loop.call_later, grace_seconds, self._finish)

    def _finish(self) -> None:
        """Stop listening; close the connections LINGER_SECONDS later, when requests in transit have arrived."""
        for server in self.servers:
            server.close()
        self._loop.call_later(LINGER_SECONDS, setattr, self, "should_exit", True)


def set_up_threads() -> None:
    """Prepare the process for threads that decode images at the same time."""
    cv2.setNumThreads(1)  # they use all cores already, so OpenCV's own threads would only add switches
    sys.setswitchinterval(SWITCH_SECONDS)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the host and port; raises OSError.

    It is opened before the models load, so that a port in use is reported at once.
    """
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
    """Serve until a signal arrives and every accepted request is answered -> exit status."""
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
