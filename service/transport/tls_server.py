"""Accepts clients that connect with TLS."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from service.transport.certificate import Certificate
from service.transport.connection import LINGER_SECONDS, MAX_LINGERING, Connection

logger = logging.getLogger("singleshot")
MAX_WAITING = 2048  # clients that are not accepted yet, as with uvicorn's own servers
MAX_ACCEPTS = 16  # in one turn of the event loop
PAUSE_SECONDS = 1.0  # after the system has refused a connection, since it has no more files or no more memory


class TlsServer:
    """Accepts clients on a socket; after its handshake, each has a `Connection`, which `connect` makes.

    A client counts as a connection from the moment when it is accepted, and the handshake may take as long as the head
    of a request. So clients that never begin the handshake cannot keep more files open than others. A connection that
    is far too many is closed without a handshake, which would cost the event loop about a millisecond; those that may
    linger get their 503.

    The event loop's own server would not count a client before the end of its handshake, and would give all clients the
    certificate of the start.
    """

    def __init__(
        self,
        listener: socket.socket,
        certificate: Certificate,
        connect: Callable[[], Connection],
        connections: set[Any],
    ) -> None:
        self._listener = listener
        self._certificate = certificate
        self._connect = connect
        self._connections = connections
        self._handshakes: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        listener.setblocking(False)
        listener.listen(MAX_WAITING)
        self._listen()

    def close(self) -> None:
        """Accept no more clients."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._listener)
            self._listener.close()

    async def end_handshakes(self) -> None:
        """Disconnect the clients that are not ready for a request."""
        for handshake in self._handshakes:
            handshake.cancel()
        await asyncio.gather(*self._handshakes, return_exceptions=True)

    def _listen(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(MAX_ACCEPTS):
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.error("no connection can be accepted: %s", error.strerror, extra={"event": "accept_failed"})
                self._loop.remove_reader(self._listener)
                self._loop.call_later(PAUSE_SECONDS, self._listen)
                return
            self._begin(client)

    def _begin(self, client: socket.socket) -> None:
        connection = self._connect()
        limit = connection.limit
        if limit is not None and len(self._connections) >= limit.max_connections + MAX_LINGERING:
            limit.on_refused()
            client.close()
            return
        self._connections.add(connection)
        handshake = self._loop.create_task(self._shake_hands(client, connection))
        self._handshakes.add(handshake)
        handshake.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, client: socket.socket, connection: Connection) -> None:
        try:
            await self._loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._certificate.context,
                ssl_handshake_timeout=connection.head_seconds,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )
        except OSError:
            logger.debug("a TLS handshake failed", exc_info=True)  # the client speaks no TLS, is too late, or has left
        finally:
            if connection.transport is None:
                self._connections.discard(connection)
