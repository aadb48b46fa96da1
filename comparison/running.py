"""A compared server, installed, started on a free port and warm."""

import socket
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from comparison.loads import PATIENT, closed_loop
from comparison.peers import Peer, python_of
from comparison.processes import ServerProcesses, started
from service.benchmark.http_load import Target

WARM_UP_SECONDS = 2.0


@contextmanager
def running(peer: Peer, images: Sequence[bytes], venvs: Path) -> Iterator[tuple[ServerProcesses, Target]]:
    """Start a peer, installed in a folder of `venvs`, and warm it up with `images`. Raises PeerError and OSError."""
    python = python_of(peer, venvs)
    port = free_port()
    target = Target("127.0.0.1", port, peer.path)
    head, _, body = peer.request(target, images[0], {}).partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    probe = urllib.request.Request(f"http://127.0.0.1:{port}{peer.path}", body, headers)
    with started(peer.command(python, port), peer.environment, probe) as processes:
        closed_loop(target, [peer.request(target, image, PATIENT) for image in images], WARM_UP_SECONDS)
        yield processes, target


def free_port() -> int:
    """A port on which no server listens at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
