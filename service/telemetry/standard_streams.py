"""Standard output and standard error that never block the server, also if nobody reads them."""

import io
import logging
import os
import select
import sys
import threading
import time
from collections import deque

MAX_WAITING_BYTES = 2**20
DRAIN_SECONDS = 1.0

logger = logging.getLogger("singleshot")


class QueuedStream(io.TextIOBase):
    """Text for a file descriptor, which a thread writes: a write here never waits and raises no OSError.

    If more than MAX_WAITING_BYTES wait, further text is dropped. When the descriptor takes text again, a line of the
    log says how many lines were dropped. The text of a descriptor that is closed is lost.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._num_bytes = 0
        self._num_dropped = 0
        self._changed = threading.Condition()  # its lock is reentrant: a signal handler may write too
        threading.Thread(target=self._write_waiting, name=f"descriptor {descriptor}", daemon=True).start()

    def writable(self) -> bool:
        """Whether `write` works: yes."""
        return True

    def isatty(self) -> bool:
        """Whether a person reads the text."""
        return os.isatty(self._descriptor)

    def write(self, text: str) -> int:
        """Queue the text, or drop it if too much waits."""
        data = text.encode("utf-8", "backslashreplace")
        with self._changed:
            if self._num_bytes + len(data) > MAX_WAITING_BYTES:
                self._num_dropped += data.count(b"\n")
            elif data:
                self._waiting.append(data)
                self._num_bytes += len(data)
                self._changed.notify_all()
        return len(text)

    def drain(self, seconds: float) -> bool:
        """Wait until all text is written -> whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._num_bytes, seconds)

    def _write_waiting(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                data = self._waiting.popleft()
            is_written = write_all(self._descriptor, data)
            with self._changed:
                self._num_bytes -= len(data)
                num_dropped = self._num_dropped if is_written and not self._waiting else 0
                self._num_dropped -= num_dropped
                self._changed.notify_all()
            if num_dropped:
                logger.warning(
                    "descriptor %d took no text for a while: %d lines were dropped", self._descriptor, num_dropped
                )


def write_all(descriptor: int, data: bytes) -> bool:
    """Write to a file descriptor, and wait as long as that takes -> False if it is closed or broken."""
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:  # another process may have made it non-blocking
            select.select([], [descriptor], [])
        except OSError:
            return False
    return True


def open_missing_streams() -> None:
    """Open descriptors 0, 1 and 2 if they are closed: a socket that got such a number would receive the log."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it gets the lowest free number
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:  # Python's value if the descriptor was closed
            setattr(sys, name, io.TextIOWrapper(io.FileIO(descriptor, "w", closefd=False)))


def queue_standard_streams() -> None:
    """From now on, whatever Python prints goes through a QueuedStream."""
    sys.stdout, sys.stderr = QueuedStream(1), QueuedStream(2)


def drain_standard_streams() -> None:
    """Wait until the text is written, for DRAIN_SECONDS at most."""
    give_up_at = time.monotonic() + DRAIN_SECONDS
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, QueuedStream):
            stream.drain(max(0.0, give_up_at - time.monotonic()))
