"""The server that drains: SIGTERM ends readiness, then new connections, then the process. SIGHUP reloads the keys."""

import asyncio
import gc
import signal
import socket
from types import FrameType

import uvicorn

from service.api.state import ServerState

LINGER_SECONDS = 0.2  # for requests in transit; uvicorn would close their connections


class DrainingServer(uvicorn.Server):
    """Uvicorn with a grace period between SIGTERM, which ends readiness, and shutdown; uvicorn has no hook for that."""

    def __init__(self, config: uvicorn.Config, server: ServerState, address: str) -> None:
        super().__init__(config)
        self._server = server
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the names of the models and the address."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._server.lag.count_requests = lambda: len(self.server_state.tasks)
        if self._server.access.has_keys or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            signal.signal(signal.SIGHUP, self._handle_hangup)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self._server.end_process = lambda: self.handle_exit(signal.SIGINT, None)
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

    def _handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """With API keys, read them again. Without, SIGHUP comes from a closed terminal and ends the server."""
        if self._server.access.has_keys:
            self._loop.call_soon_threadsafe(self._reload_keys)
        else:
            self.handle_exit(sig, frame)

    def _reload_keys(self) -> None:
        self._reloading = asyncio.create_task(self._server.access.reload_keys())  # kept: the loop holds no reference

    def _finish(self) -> None:
        """Stop listening; close the connections LINGER_SECONDS later, when requests in transit have arrived."""
        for server in self.servers:
            server.close()
        self._loop.call_later(LINGER_SECONDS, setattr, self, "should_exit", True)
