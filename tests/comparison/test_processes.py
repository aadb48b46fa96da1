"""Starting a server, finding its processes, and pausing them."""

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
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


def test_a_child_that_hides_its_environment_is_found_by_its_parent() -> None:
    code = "import subprocess; subprocess.run(['env', '-i', 'sleep', '60'])"
    parent = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, MARK: "hides"})
    processes = ServerProcesses("hides")
    try:
        wait_until(lambda: "sleep" in [process.name() for process in processes.all()])
    finally:
        processes.stop()
        parent.wait()
    assert not processes.all()


def test_a_server_sees_this_tree_and_the_packages_on_the_path_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/packages")
    show = [sys.executable, "-c", "import os; print(os.environ['PYTHONPATH'])"]
    process = ServerProcesses("mark").launch(show, {}, tmp_path)
    assert process.wait() == 0
    assert (tmp_path / "log").read_text().strip().split(os.pathsep) == [str(ROOT), "/packages"]


def test_a_paused_server_uses_no_cpu_time_and_ends_as_if_it_ran(tmp_path: Path) -> None:
    code = """
import pathlib, signal, sys
def end(*_):
    pathlib.Path("ended").touch()
    sys.exit()
signal.signal(signal.SIGTERM, end)
pathlib.Path("started").touch()
while True:
    pass
"""
    processes = ServerProcesses("paused")
    first = processes.launch([sys.executable, "-c", code], {}, tmp_path)
    try:
        wait_until((tmp_path / "started").exists)
        processes.pause()
        (process,) = processes.all()
        assert process.status() == psutil.STATUS_STOPPED
        before = processes.cpu_seconds()
        threading.Event().wait(0.2)
        assert processes.cpu_seconds() == before
        processes.resume()
        wait_until(lambda: processes.cpu_seconds() > before)
        processes.pause()
    finally:
        processes.stop()
        first.wait()
    assert (tmp_path / "ended").exists()


def wait_until(is_done: Callable[[], bool]) -> None:
    """Wait 30 s at most."""
    give_up_at = time.monotonic() + 30
    while not is_done():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_the_last_lines_of_a_log_are_none_without_any(tmp_path: Path) -> None:
    processes = ServerProcesses("log")
    assert processes.last_lines() == "none"
    processes.launch([sys.executable, "-c", "print('1\\n\\n2\\n3\\n4')"], {}, tmp_path).wait()
    assert processes.last_lines() == "2 / 3 / 4"
