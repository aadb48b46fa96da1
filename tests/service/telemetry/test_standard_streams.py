"""Text for a descriptor that blocks, breaks or is closed."""

import logging
import os
import subprocess
import sys

import pytest

from service.telemetry.standard_streams import MAX_WAITING_BYTES, QueuedStream
from tests.service.server_process import ROOT

LINE = "x" * 999 + "\n"


def read(descriptor: int, num_bytes: int) -> bytes:
    content = b""
    while len(content) < num_bytes:
        content += os.read(descriptor, num_bytes - len(content))
    return content


def test_text_is_written_in_order() -> None:
    reader, writer = os.pipe()
    stream = QueuedStream(writer)
    print("one é", "two", file=stream, flush=True)
    assert stream.drain(60)
    assert os.read(reader, 100) == "one é two\n".encode()


@pytest.mark.parametrize("is_blocking", [True, False])
def test_a_blocked_reader_costs_lines_and_the_log_says_how_many(
    caplog: pytest.LogCaptureFixture, is_blocking: bool
) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, is_blocking)
    stream = QueuedStream(writer)
    num_lines = 2 * MAX_WAITING_BYTES // len(LINE)
    for _ in range(num_lines):
        stream.write(LINE)
    assert not stream.drain(0)
    kept = stream._num_bytes
    dropped = num_lines * len(LINE) - kept - 65536  # at most a pipe's content is written already
    with caplog.at_level(logging.WARNING, logger="singleshot"):
        while not stream.drain(0.01):
            os.read(reader, 2**16)
        stream.write("end\n")
        assert stream.drain(60)
    (message,) = [record.getMessage() for record in caplog.records]
    number = int(message.split(": ")[1].split()[0])
    assert dropped / len(LINE) - 1 <= number <= num_lines - MAX_WAITING_BYTES // len(LINE)


def test_a_reader_that_has_gone_costs_the_text_only() -> None:
    reader, writer = os.pipe()
    stream = QueuedStream(writer)
    os.close(reader)
    for _ in range(3):
        stream.write(LINE)
        assert stream.drain(60)


CLOSED = """
import os, socket, sys
from service.telemetry.standard_streams import open_missing_streams

open_missing_streams()
assert socket.socket().fileno() > 2
for descriptor in range(3):
    os.fstat(descriptor)
"""


def test_closed_descriptors_are_opened_so_that_no_socket_gets_their_number() -> None:
    command = 'exec "$0" -c "$1" 0<&- 1>&- 2>&-'
    assert subprocess.run(["sh", "-c", command, sys.executable, CLOSED], check=False).returncode == 0


@pytest.mark.parametrize("closed", ["2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_a_process_whose_streams_are_closed_still_reads_its_settings(closed: str) -> None:
    command = f'exec "$0" -m service --port 99999 {closed}'
    assert subprocess.run(["/bin/sh", "-c", command, sys.executable], cwd=ROOT, timeout=60, check=False).returncode == 2
