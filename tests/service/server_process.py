"""A server as a process of its own."""

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.bundle import Bundle

ROOT = Path(__file__).parents[2]
SECONDS = 60


@contextmanager
def serving(bundle: Bundle, **changes: str) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A server on a free port -> the process, the line that it printed, the port."""
    command = [sys.executable, "-m", "service", "--bundle", str(bundle.path), "--port", "0", "--engine", "onnx"]
    environment = {**os.environ, "SINGLESHOT_MAX_BATCH": "2", "SINGLESHOT_DRAIN_GRACE_SECONDS": "1", **changes}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
            assert address is not None, process.stderr.read() if process.stderr else ""
            yield process, line, int(address[1])
        finally:
            process.kill()


def get_status(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status
