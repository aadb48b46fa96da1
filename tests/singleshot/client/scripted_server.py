"""A server that plays a script: one reply for each request, good, bad, slow or none."""

import json
import socket
import ssl
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

SECONDS = 30
RESULT = {
    "model": "tiny",
    "version": "7",
    "results": [
        {
            "filename": None,
            "width": 64,
            "height": 48,
            "detections": [
                {"label": "red", "class_id": 0, "score": 0.9, "box": {"x1": 1.5, "y1": 2, "x2": 30, "y2": 40.25}}
            ],
        }
    ],
}

Reply: TypeAlias = bytes | Callable[[socket.socket], None]


def answer(status: int, body: object = b"", **headers: str) -> bytes:
    """A whole answer; the names of the headers have _ instead of -. A body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {"content-length": str(len(content)), **{name.replace("_", "-"): text for name, text in headers.items()}}
    lines = [f"HTTP/1.1 {status} Some Phrase", *(f"{name}: {text}" for name, text in names.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


GOOD = answer(200, RESULT, x_request_id="0f3c", server_timing="decode;dur=1.5, infer;dur=20")


def busy(**headers: str) -> bytes:
    """An answer 503 of an overloaded server."""
    return answer(503, {"title": "Service Unavailable", "detail": "the server is busy"}, **headers)


def reset(connection: socket.socket) -> None:
    """Break the connection as a killed process does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionAbortedError


def hang_up(connection: socket.socket) -> None:  # noqa: ARG001 a reply
    """Close the connection without an answer."""
    raise ConnectionAbortedError


def truncated(connection: socket.socket) -> None:
    """Send a part of a good answer, and close the connection."""
    connection.sendall(GOOD[:-10])
    raise ConnectionAbortedError


@dataclass
class ScriptedServer:
    """Takes the replies of `script` in turn, and the last one again and again. `requests` are (head, body)."""

    url: str = ""
    script: deque[Reply] = field(default_factory=lambda: deque([GOOD]))
    requests: list[tuple[str, bytes]] = field(default_factory=list)
    num_connections: int = 0
    reads_bodies: bool = True
    ending: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def running(
        cls, path: Path | None = None, tls: ssl.SSLContext | None = None, *, reads_bodies: bool = True
    ) -> "Iterator[ScriptedServer]":
        """Serve at a free port of 127.0.0.1, or at a unix socket, perhaps with TLS."""
        server = cls(reads_bodies=reads_bodies)
        listener = socket.create_server(("127.0.0.1", 0)) if path is None else socket.socket(socket.AF_UNIX)
        if path is None:
            server.url = f"{'https' if tls else 'http'}://localhost:{listener.getsockname()[1]}"
        else:
            listener.bind(str(path))
            listener.listen()
            server.url = f"unix://{path}"
        threads: list[threading.Thread] = []
        connections: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connections.append(connection)
                threads.append(threading.Thread(target=server._serve, args=(connection, tls)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server
        finally:
            server.ending.set()
            for end in (listener, *connections):
                shut(end)
            listener.close()
            for thread in (accepting, *threads):
                thread.join(SECONDS)

    def play(self, *script: Reply) -> None:
        """Begin a new script."""
        self.script = deque(script)

    def hang(self, connection: socket.socket) -> None:  # noqa: ARG002 a reply
        """Never answer."""
        assert self.ending.wait(SECONDS)

    def drip(self, connection: socket.socket) -> None:
        """Send an endless body, one byte at a time."""
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not self.ending.wait(0.01):
            connection.sendall(b" ")

    def _serve(self, connection: socket.socket, tls: ssl.SSLContext | None) -> None:
        self.num_connections += 1
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as file:
                while request := read_request(file, reads_bodies=self.reads_bodies):
                    self.requests.append(request)
                    reply = self.script.popleft() if len(self.script) > 1 else self.script[0]
                    if isinstance(reply, bytes):
                        connection.sendall(reply)
                    else:
                        reply(connection)
        except OSError:
            return  # the client has gone, or the reply closes the connection


def read_request(file: Any, *, reads_bodies: bool) -> tuple[str, bytes] | None:
    """Read one request; None at the end of the connection."""
    lines = []
    while (line := file.readline()).strip():
        lines.append(line.decode("latin-1").strip())
    if not lines:
        return None
    head = "\n".join(lines)
    lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
    return head, file.read(lengths[0]) if lengths and reads_bodies else b""


def shut(end: socket.socket) -> None:
    """Wake the thread that waits on the socket."""
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
