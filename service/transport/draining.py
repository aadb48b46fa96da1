"""The server that drains: SIGTERM ends readiness, then new connections, then the process. SIGHUP reloads the keys."""

import asyncio
import contextvars
import gc
import logging
import signal
import socket
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from service.api.state import ServerState, repeat
from service.transport.certificate import Certificate
from service.transport.connection import Connection
from service.transport.grpc_port import GrpcPort
from service.transport.listening_socket import ListenError
from service.transport.loop_watch import watch_loop
from service.transport.tls_server import TlsServer

if TYPE_CHECKING:
    from service.rpc.server import RpcServer

logger = logging.getLogger("singleshot")
LINGER_SECONDS = 0.2  # for requests in transit; uvicorn would close their connections


class DrainingServer(uvicorn.Server):
    """Uvicorn with a grace period between SIGTERM, which ends readiness, and shutdown; uvicorn has no hook for that."""

    def __init__(
        self,
        config: uvicorn.Config,
        server: ServerState,
        address: str,
        certificate: Certificate | None = None,
        grpc_port: GrpcPort | None = None,
    ) -> None:
        super().__init__(config)
        self._server = server
        self._address = address
        self._certificate = certificate
        self._tls: TlsServer | None = None
        self._grpc_port = grpc_port
        self._rpc: RpcServer | None = None
        self._ending: asyncio.Task[None] | None = None  # the end of gRPC
        self.has_failed = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then log the names of the models and the address."""
        self._loop = asyncio.get_running_loop()
        if self._certificate is None:
            await super().startup(sockets)
        else:
            await super().startup([])
            assert sockets is not None
            self._tls = TlsServer(sockets[0], self._certificate, self._new_connection, self.server_state.connections)
        await self._serve_grpc()
        self._server.lag.count_requests = self._num_requests
        self._server.metrics.connections.set_function(lambda: len(self.server_state.connections))
        stuck_seconds = self._server.settings.stuck_seconds
        self._watching = self._loop.create_task(watch_loop(self._server.metrics.event_loop_lag, stuck_seconds))
        if self._certificate is not None and self._server.settings.reload_seconds:
            renewal = repeat(self._certificate.poll, self._server.settings.reload_seconds)
            self._renewing = self._loop.create_task(renewal)
        if self._server.access.has_keys or signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup ignores it
            signal.signal(signal.SIGHUP, self._handle_hangup)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
        self._server.end_process = lambda: self.handle_exit(signal.SIGINT, None)
        gc.collect()
        gc.freeze()  # these objects live as long as the process; collections that visit them would delay requests
        repository = self._server.repository
        names, engine = ", ".join(repository.names()), repository.models[0].engine_description
        served = {name: repository.versions(name) for name in repository.names()}
        fields = {"event": "ready", "address": self._address, "models": served, "engine": engine}
        places = self._address
        if self._rpc is not None and self._grpc_port is not None:
            fields["grpc_address"] = self._grpc_port.address
            places += f" and, with gRPC, on {self._grpc_port.address}"
        logger.info("serving %s on %s (%s)", names, places, engine, extra=fields)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer the accepted requests, then close the connections."""
        if self._tls is not None:
            await self._tls.end_handshakes()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM drains with the grace period; SIGINT, or a second SIGTERM, without it. The exit status is 0."""
        if not self.started:
            super().handle_exit(sig, frame)
            return
        is_first = not self._server.is_draining
        self._server.is_draining = True
        grace_seconds = self._server.settings.drain_grace_seconds if is_first and sig == signal.SIGTERM else 0
        # without the context of the request that the signal has interrupted
        self._loop.call_soon_threadsafe(self._drain, sig, grace_seconds, context=contextvars.Context())

    async def _serve_grpc(self) -> None:
        if self._grpc_port is None:
            return
        try:
            self._rpc = await self._grpc_port.serve(self._server)
        except ListenError as error:
            logger.error("%s", error, extra={"event": "start_failed"})
            self.has_failed = True
            self._loop.call_soon(setattr, self, "should_exit", True)
        else:
            self._server.end_calls = self._end_calls

    async def _end_calls(self) -> None:
        """Wait until the calls of gRPC are answered, or for the drain limit, which began with the end of listening."""
        await self._begin_end_of_calls()

    def _begin_end_of_calls(self) -> "asyncio.Task[None]":
        """Accept no more calls -> the task that waits for the others."""
        if self._ending is None:
            assert self._rpc is not None
            self._ending = self._loop.create_task(self._rpc.stop(self._server.settings.drain_limit_seconds))
        return self._ending

    def _num_requests(self) -> int:
        return len(self.server_state.tasks) + (0 if self._rpc is None else self._rpc.num_calls)

    def _new_connection(self) -> Connection:
        make = self.config.http_protocol_class
        connection = make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)  # type: ignore[call-arg]
        assert isinstance(connection, Connection)
        return connection

    def _drain(self, sig: int, grace_seconds: float) -> None:
        logger.info("%s: the server drains and stops", signal.Signals(sig).name, extra={"event": "drain"})
        self._loop.call_later(grace_seconds, self._finish)

    def _handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """With API keys, read them again. Without, SIGHUP comes from a closed terminal and ends the server."""
        if self._server.access.has_keys:
            self._loop.call_soon_threadsafe(self._reload_keys, context=contextvars.Context())
        else:
            self.handle_exit(sig, frame)

    def _reload_keys(self) -> None:
        self._reloading = asyncio.create_task(self._server.access.reload_keys())  # kept: the loop holds no reference

    def _finish(self) -> None:
        """Stop listening; close the connections LINGER_SECONDS later, when requests in transit have arrived."""
        for server in self.servers:
            server.close()
        if self._tls is not None:
            self._tls.close()
        if self._rpc is not None:
            self._begin_end_of_calls()
        self._loop.call_later(LINGER_SECONDS, setattr, self, "should_exit", True)
