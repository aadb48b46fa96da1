"""A server as a process of its own."""

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.bundle import Bundle

ROOT = Path(__file__).parents[2]
SECONDS = 60


@contextmanager
def starting(bundle: Bundle, **changes: str) -> Iterator[subprocess.Popen[str]]:
    """A server that starts on a free port."""
    command = [sys.executable, "-m", "service", "--bundle", str(bundle.path), "--port", "0", "--engine", "onnx"]
    environment = {**os.environ, "SINGLESHOT_MAX_BATCH": "2", "SINGLESHOT_DRAIN_GRACE_SECONDS": "1", **changes}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def serving(bundle: Bundle, **changes: str) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A server on a free port -> the process, the message of its log that it is ready, the port."""
    with starting(bundle, **changes) as process:
        ready = wait_for_event(process, "ready")
        yield process, ready["message"], port_of(ready)


def port_of(ready: dict[str, Any]) -> int:
    """The port in the log's line that the server is ready."""
    address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/", ready["address"])
    assert address is not None
    return int(address[1])


def read_log(process: subprocess.Popen[str], event: str) -> list[dict[str, Any]]:
    """Read the log up to the next line of that event -> the lines."""
    assert process.stderr is not None
    lines = []
    for text in process.stderr:
        lines.append(json.loads(text))
        if lines[-1].get("event") == event:
            return lines
    raise AssertionError(lines)


def wait_for_event(process: subprocess.Popen[str], event: str) -> dict[str, Any]:
    """Read the log up to the next line of that event -> the line."""
    return read_log(process, event)[-1]


def warnings_of(process: subprocess.Popen[str]) -> list[str]:
    """The rest of the log of a server that has ended -> its lines from warning up."""
    assert process.stderr is not None
    return [text for text in process.stderr if json.loads(text)["level"] not in ("debug", "info")]


def get_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status
