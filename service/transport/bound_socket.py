"""Sockets that are bound to an address."""

import socket


class ListenError(Exception):
    """The server cannot listen; the message names the address and the remedy."""


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound to the host and port, and does not listen yet; raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
