"""The attacker counts the answers, and knows those that break the rules."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from comparison.hostile.attacker import CLOSED, Attacker, send
from comparison.hostile.requests import Hostile
from service.benchmark.http_load import Target
from tests.service.wait import wait_until


@contextmanager
def server(answer: bytes) -> Iterator[Target]:
    """Reads one request from each connection, sends `answer` and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    request = b""
                    while not request.endswith((b"\r\n\r\n", b"end")):
                        request += connection.recv(100)
                    if request == b"end":
                        return
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        host, port = listener.getsockname()
        try:
            yield Target(host, port, "/")
        finally:
            with socket.create_connection((host, port)) as connection:
                connection.sendall(b"end")
            thread.join()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200"),
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"", CLOSED),
    ],
)
def test_the_status_of_the_answer_is_returned(answer: bytes, status: str) -> None:
    with server(answer) as target:
        assert send(target, Hostile("a", (b"GET ", b"/ HTTP/1.1\r\n\r\n")), threading.Event()) == status


@pytest.mark.parametrize(
    ("answer", "has_answer", "is_error"),
    [
        (b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", True, False),
        (b"HTTP/1.1 504 Timeout\r\nContent-Length: 0\r\n\r\n", True, False),
        (b"HTTP/1.1 500 Error\r\nContent-Length: 0\r\n\r\n", True, True),
        (b"HTTP/1.1 502 Error\r\nContent-Length: 0\r\n\r\n", False, True),
        (b"", True, True),
        (b"", False, False),
    ],
)
def test_errors_are_the_answers_that_break_the_rules(answer: bytes, has_answer: bool, is_error: bool) -> None:
    request = Hostile("a request", (b"GET / HTTP/1.1\r\n\r\n",), has_answer=has_answer)
    with server(answer) as target:
        attacker = Attacker(target, [request], num_threads=2)
        with attacker:
            wait_until(lambda: bool(attacker.statuses))
    assert {name for name, _ in attacker.statuses} == {"a request"}
    assert bool(attacker.errors()) is is_error
