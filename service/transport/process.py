"""The process: it listens, serves, drains on SIGTERM and ends."""

import logging
import os
import socket
import sys

import cv2
import uvicorn
from fastapi import FastAPI

from service.memory import return_large_blocks
from service.settings import Settings
from service.telemetry.logs import write_logs
from service.telemetry.metrics import Metrics
from service.telemetry.standard_streams import drain_standard_streams, queue_standard_streams
from service.transport.certificate import Certificate
from service.transport.connection import ConnectionLimit, connections_of
from service.transport.draining import DrainingServer
from service.transport.grpc_port import GrpcPort
from service.transport.listening_socket import ListenError, in_url, listening_socket
from service.transport.open_files import max_connections
from service.transport.unix_socket import UnixListener

logger = logging.getLogger("singleshot")
NUM_ACCEPTS = 16  # connections that are accepted in one turn of the event loop
SWITCH_SECONDS = 1e-3  # how long a Python thread keeps the interpreter while another waits; Python's default is 5 ms


def set_up_threads() -> None:
    """Prepare the process for threads that decode images at the same time, and that leave no memory behind."""
    return_large_blocks()
    cv2.setNumThreads(1)  # they use all cores already, so OpenCV's own threads would only add switches
    sys.setswitchinterval(SWITCH_SECONDS)


def limit_connections(settings: Settings, metrics: Metrics) -> ConnectionLimit:
    """The limit of the connections of HTTP."""
    limit = max_connections(settings)
    metrics.connections_limit.set(limit)
    return ConnectionLimit(limit, metrics.connections_refused.inc)


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the host and port, or on the unix socket; raises ListenError.

    It is opened before the models load, so that a port in use is reported at once.
    """
    try:
        if settings.uds is not None:
            return UnixListener(settings.uds)
        return listening_socket(settings.host, settings.port)
    except OSError as error:
        address = settings.uds or f"{settings.host}:{settings.port}"
        remedy = "choose another --port or --host" if settings.uds is None else "choose another --uds"
        raise ListenError(f"cannot listen on {address}: {error.strerror}; {remedy}") from error


def several(listener: socket.socket) -> list[socket.socket]:
    """NUM_ACCEPTS sockets that share one queue of connections.

    The event loop accepts one connection for each of them in a turn. With one socket and long turns, most new
    connections would wait for seconds before the server sees them, and could not even refuse their requests.
    """
    return [listener, *(listener.dup() for _ in range(NUM_ACCEPTS - 1))]


def address_of(settings: Settings, listener: socket.socket) -> str:
    """The address that the log shows."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    scheme = "https" if settings.ssl_certfile else "http"
    return f"{scheme}://{in_url(settings.host, listener.getsockname()[1])}/"


def run(
    app: FastAPI,
    settings: Settings,
    listener: socket.socket,
    certificate: Certificate | None = None,
    grpc_port: GrpcPort | None = None,
) -> int:
    """Serve until a signal arrives and every accepted request is answered -> exit status.

    If an engine answers no more, the process ends with status 1: its supervisor should start it again.
    """
    state = app.state.server
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        http=connections_of(
            settings.receive_seconds,
            state.busy,
            lambda: state.is_draining,
            limit_connections(settings, state.metrics),
            state.origins,
        ),
        ws="none",
        timeout_graceful_shutdown=round(settings.drain_limit_seconds),
    )
    server = DrainingServer(config, state, address_of(settings, listener), certificate, grpc_port)
    queue_standard_streams()
    write_logs(settings.log_level)  # to the new sys.stderr
    server.run(sockets=several(listener) if certificate is None else [listener])
    logger.info("the server has stopped", extra={"event": "stop"})
    drain_standard_streams()
    if state.watchdog.needs_restart:
        os._exit(1)  # without waiting for the thread that waits for the engine
    return 1 if server.has_failed else 0
