"""A client that sends hostile requests from threads, and counts the statuses of the answers."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence

from comparison.hostile.requests import Hostile
from service.benchmark.http_load import Target

ANSWER_SECONDS = 60.0  # an answer that takes longer is lost
CLOSED = "closed"  # instead of a status: the connection was closed without an answer
LOST = "lost"  # no answer in time


class Attacker:
    """A context manager: while it is open, each of `num_threads` sends one of the requests after the other.

    `statuses` counts the answers of each request by its name and status.
    """

    def __init__(self, target: Target, requests: Sequence[Hostile], num_threads: int = 1) -> None:
        self._target = target
        self._requests = requests
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._attack, args=(seed,)) for seed in range(num_threads)]
        self.statuses: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> "Attacker":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def errors(self) -> dict[str, int]:
        """The answers that break the rules: 5xx but 503 and 504, lost ones, and none where there should be one."""
        has_answer = {request.name: request.has_answer for request in self._requests}
        return {
            f"{name}: {status}": count
            for (name, status), count in self.statuses.items()
            if status == LOST
            or (status == CLOSED and has_answer[name])
            or (status.startswith("5") and status not in ("503", "504"))
        }

    def _attack(self, seed: int) -> None:
        order = random.Random(seed)
        while not self._is_over.is_set():
            request = order.choice(self._requests)
            status = send(self._target, request, self._is_over)
            with self._lock:
                self.statuses[request.name, status] += 1


def send(target: Target, request: Hostile, is_over: threading.Event) -> str:
    """Send a request and read the answer -> its status, CLOSED or LOST."""
    try:
        with socket.create_connection((target.host, target.port), timeout=ANSWER_SECONDS) as connection:
            reader = threading.Thread(target=_send_parts, args=(connection, request, is_over))
            reader.start()  # a server may answer, and close the connection, before it has read all
            try:
                return _read_status(connection)
            finally:
                connection.close() if not reader.is_alive() else connection.shutdown(socket.SHUT_RDWR)
                reader.join()
    except TimeoutError:
        return LOST
    except OSError:
        return CLOSED


def _send_parts(connection: socket.socket, request: Hostile, is_over: threading.Event) -> None:
    try:
        for number, part in enumerate(request.parts):
            if number and is_over.wait(request.pause_seconds):
                break
            connection.sendall(part)
        if not request.has_answer:
            connection.shutdown(socket.SHUT_WR)
    except OSError:  # the server has closed the connection; the other thread reads its answer
        pass


def _read_status(connection: socket.socket) -> str:
    give_up_at = time.monotonic() + ANSWER_SECONDS
    answer = bytearray()
    while time.monotonic() < give_up_at:
        data = connection.recv(2**16)
        if not data:
            break
        answer += data
        end = answer.find(b"\r\n\r\n")
        length = bytes(answer[:end]).lower().partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
        if end >= 0 and len(answer) >= end + 4 + int(length or 0):
            break
    return answer[9:12].decode() if answer.startswith(b"HTTP/1.") else CLOSED
