"""The server of gRPC, on the event loop of the process."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import grpc

from service.api.state import ServerState
from service.rpc.calls import Calls
from service.rpc.credentials import credentials_of
from service.rpc.handlers import Handlers
from service.rpc.inference import Inference
from service.rpc.pem import Pem
from service.rpc.stream import Streams

MAX_CALLS = 4096  # of one connection; a client keeps further ones back, so it must be more than are ever answered
# Calls that gRPC keeps until the event loop takes them, one after the other, some hundred a second under load. Of more,
# a growing share is ended at once, and all from twice as many: in a longer queue, all would wait for their deadline.
MAX_PENDING = 64
IDLE_MS = 300_000  # after which a connection without a call is closed
KEEPALIVE_MS = 60_000  # after which a silent client is asked whether it is still there
MIN_PING_MS = 10_000  # between such questions of a client
CUT_SECONDS = 0.01
IDENTITY = 1  # the set of the compressions that are taken: none


def is_no_departure(record: logging.LogRecord) -> bool:
    """Whether a record of gRPC's log says more than that a client has left while its answer was sent."""
    return not record.getMessage().startswith("ExecuteBatchError")


logging.getLogger("grpc._cython.cygrpc").addFilter(is_no_departure)


class RpcError(Exception):
    """The server of gRPC cannot listen."""


class RpcServer:
    """Serves the Open Inference Protocol over gRPC. It shares everything behind the messages with HTTP.

    `max_connections` may be open at once; others are closed.
    """

    def __init__(self, server: ServerState, max_connections: int) -> None:
        self._server = server
        self._max_connections = max_connections
        self._calls = Calls(server)
        inferences = Inference(server, self._calls)
        self._streams = Streams(server, self._calls, inferences)
        self._handlers = Handlers(server, self._calls, self._streams, inferences)

    @property
    def num_calls(self) -> int:
        """Requests in the server."""
        return self._calls.num_open

    async def start(self, address: str, pem: Callable[[], Pem] | None = None) -> int:
        """Listen on an address, with TLS if there is a certificate -> the port; raises RpcError."""
        self._grpc = grpc.aio.server(handlers=[self._handlers], options=self._options())
        try:
            if pem is None:
                port: int = self._grpc.add_insecure_port(address)
            else:
                port = self._grpc.add_secure_port(address, credentials_of(pem))
        except RuntimeError as error:
            raise RpcError(str(error)) from error
        await self._grpc.start()
        return port

    async def stop(self, limit_seconds: float) -> None:
        """Accept no more calls and requests, and wait until the others are answered; what is left then is cancelled."""
        self._streams.end()
        cut = asyncio.get_running_loop().call_later(limit_seconds, self._calls.cut)
        await self._grpc.stop(limit_seconds + CUT_SECONDS)
        cut.cancel()

    def _options(self) -> Sequence[tuple[str, int]]:
        settings = self._server.settings
        return [
            ("grpc.so_reuseport", 0),  # another server on the port is an error, not a partner
            ("grpc.max_receive_message_length", settings.max_body_bytes),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_concurrent_streams", MAX_CALLS),
            ("grpc.server.max_pending_requests", MAX_PENDING),
            ("grpc.server.max_pending_requests_hard_limit", 2 * MAX_PENDING),
            ("grpc.max_allowed_incoming_connections", self._max_connections),
            ("grpc.max_connection_idle_ms", IDLE_MS),
            ("grpc.keepalive_time_ms", KEEPALIVE_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", MIN_PING_MS),
            ("grpc.compression_enabled_algorithms_bitset", IDENTITY),  # a small message could become a huge one
        ]
