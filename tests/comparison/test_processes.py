"""Starting a server, and finding its processes."""

import os
import subprocess
import sys
import urllib.request

import pytest

from comparison.peers import PeerError
from comparison.processes import MARK, ServerProcesses, started

NO_SERVER = urllib.request.Request("http://127.0.0.1:1/")


def test_the_error_for_a_server_that_ends_at_once_has_the_last_lines_of_its_log() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with pytest.raises(PeerError, match="last lines of its log: no such model"), started(command, {}, NO_SERVER):
        pass


def test_processes_are_found_by_their_mark_even_without_their_parent() -> None:
    start_child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()'], stdin=0)"
    command = [sys.executable, "-c", f"{start_child}; print('started', flush=True)"]
    environment = {**os.environ, MARK: "a-test"}
    parent = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    processes = ServerProcesses("a-test")
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"started\n"
    parent.wait()
    (orphan,) = [process for process in processes.all() if process.pid != parent.pid]
    assert processes.memory_bytes() > 0
    processes.stop()
    assert not orphan.is_running()
    parent.stdin.close()
    parent.stdout.close()
