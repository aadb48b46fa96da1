"""Starting a server, and finding its processes."""

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from comparison.peers import PeerError
from comparison.processes import MARK, ROOT, ServerProcesses, started
from comparison.running import free_port

NO_SERVER = urllib.request.Request("http://127.0.0.1:1/")


def test_the_error_for_a_server_that_ends_at_once_has_the_last_lines_of_its_log() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such model')"]
    with pytest.raises(PeerError, match="last lines of its log: no such model"), started(command, {}, NO_SERVER):
        pass


def test_an_error_of_the_measurement_does_not_start_the_server_again(tmp_path: Path) -> None:
    starts, port = tmp_path / "starts", free_port()
    code = f"""
import http.server, pathlib
with pathlib.Path({str(starts)!r}).open("a") as file:
    file.write("started ")
http.server.HTTPServer(("127.0.0.1", {port}), http.server.SimpleHTTPRequestHandler).serve_forever()
"""
    probe = urllib.request.Request(f"http://127.0.0.1:{port}/")
    with pytest.raises(PeerError, match="no answer"), started([sys.executable, "-c", code], dict(os.environ), probe):
        raise PeerError("no answer")
    assert starts.read_text() == "started "


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


def test_a_server_sees_this_tree_and_the_packages_on_the_path_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/packages")
    show = [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"]
    process = ServerProcesses("mark").launch(show, {}, tmp_path)
    assert process.wait() == 0
    assert (tmp_path / "log").read_text().strip().split(os.pathsep) == [str(ROOT), "/packages"]
