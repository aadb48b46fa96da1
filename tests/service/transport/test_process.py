"""The process: signals while it starts and serves, and standard streams that nobody reads."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.bundle import Bundle
from tests.service.server_process import (
    ROOT,
    SECONDS,
    get_status,
    port_of,
    read_log,
    serving,
    starting,
    wait_for_event,
    warnings_of,
)
from tests.tiny_bundle import write_tiny_bundle

CHATTY = {"SINGLESHOT_LOG_REQUESTS_PER_SECOND": "1000", "SINGLESHOT_DRAIN_GRACE_SECONDS": "0"}


def write_long_lines(port: int, count: int = 60) -> None:
    """Ask for paths that do not exist: each is a line of 40 KB in the log."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    for _ in range(count):
        connection.request("GET", "/" + "x" * 40_000)
        assert connection.getresponse().read()
    connection.close()


def test_a_log_that_nobody_reads_stops_neither_the_server_nor_its_end(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle, **CHATTY) as (process, _, port):
        write_long_lines(port)  # far more than a pipe and the queue hold
        assert get_status(port, "/healthz") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def test_a_log_whose_reader_has_gone_stops_nothing(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle, **CHATTY) as (process, _, port):
        assert process.stderr is not None
        assert process.stdout is not None
        process.stderr.close()
        process.stdout.close()
        write_long_lines(port, 3)
        assert get_status(port, "/healthz") == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


# runs the server, and sends itself a signal at the place where the third argument's `name` is called
INTERRUPT = """
import importlib, os, runpy, signal, sys, threading
number, module, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
sys.argv[1:4] = []
if module == "import":
    class Finder:
        def find_spec(self, imported, *_):
            if imported == name:
                os.kill(os.getpid(), number)
    sys.meta_path.insert(0, Finder())
else:
    loaded = importlib.import_module(module)
    called = getattr(loaded, name)
    def interrupted(*given, **options):
        os.kill(os.getpid(), number)
        return called(*given, **options)
    setattr(loaded, name, interrupted)
runpy.run_module("service", run_name="__main__", alter_sys=True)
"""
PHASES = [
    ("import", "pydantic"),
    ("import", "service.engines.onnx_runtime"),
    ("service.repository.repository", "read_manifest"),
    ("service.repository.served_model", "check_golden"),
    ("service.scheduling.cost_model", "seconds_of"),
    ("service.detection.soft_nms", "_decay_and_pick"),
    ("service.api.app", "install_document"),
]


@pytest.mark.parametrize(("module", "name"), PHASES)
def test_ctrl_c_while_starting_ends_quietly_with_status_130(tiny_bundle: Bundle, module: str, name: str) -> None:
    assert interrupted(tiny_bundle, signal.SIGINT, module, name) == (130, "", "")


def test_sigterm_while_starting_ends_quietly_with_status_143(tiny_bundle: Bundle) -> None:
    assert interrupted(tiny_bundle, signal.SIGTERM, *PHASES[3]) == (143, "", "")


def interrupted(bundle: Bundle, number: int, module: str, name: str) -> tuple[int, str, str]:
    options = ["--bundle", str(bundle.path), "--port", "0", "--engine", "onnx"]
    command = [sys.executable, "-c", INTERRUPT, str(int(number)), module, name, *options]
    environment = {**os.environ, "SINGLESHOT_MAX_BATCH": "1", "SINGLESHOT_LOG_LEVEL": "warning"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS
    )
    return done.returncode, done.stdout, done.stderr


def test_a_closed_terminal_ends_the_server_without_the_grace_period(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle, SINGLESHOT_DRAIN_GRACE_SECONDS="1000") as (process, _, _port):
        process.send_signal(signal.SIGHUP)
        assert process.wait(SECONDS) == 0
        assert warnings_of(process) == []


def test_sighup_reads_the_api_keys_again_and_a_bad_file_keeps_the_old_ones(tiny_bundle: Bundle, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("me old-key\n")
    with serving(tiny_bundle, SINGLESHOT_API_KEYS_FILE=str(keys)) as (process, _, port):
        assert status_with(port, "old-key") == 415
        keys.write_text("me new-key\n")
        process.send_signal(signal.SIGHUP)
        assert "the keys were read again; there are 1" in wait_for_event(process, "keys_read")["message"]
        assert (status_with(port, "old-key"), status_with(port, "new-key")) == (401, 415)
        keys.write_text("broken\n")
        process.send_signal(signal.SIGHUP)
        assert (
            "each line should be `name key`, and at least one line is needed; the old keys stay"
            in (wait_for_event(process, "keys_refused")["message"])
        )
        assert status_with(port, "new-key") == 415
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def status_with(port: int, key: str) -> int:
    """The status of a request with that key and a body that is no image."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("POST", "/detect", b"no image", {"X-API-Key": key})
    status = connection.getresponse().status
    connection.close()
    return status


def test_nohup_is_obeyed(tiny_bundle: Bundle) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the process inherits it
    try:
        with serving(tiny_bundle, SINGLESHOT_DRAIN_GRACE_SECONDS="0") as (process, _, port):
            process.send_signal(signal.SIGHUP)
            assert get_status(port, "/readyz") == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) == 0
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_the_settings_and_the_ignored_variables_are_logged_once_at_info(tiny_bundle: Bundle) -> None:
    link = {"SINGLESHOT_SERVICE_HOST": "10.0.0.1", "SINGLESHOT_PORT": "tcp://10.0.0.1:80"}
    secret = {"SINGLESHOT_OTLP_ENDPOINT": "http://me:secret@localhost:1"}
    with starting(tiny_bundle, **secret, **CHATTY, **link) as process:
        lines = read_log(process, "ready")
        process.send_signal(signal.SIGINT)
        lines += read_log(process, "stop")
        assert process.wait(SECONDS) == 0
    assert "secret" not in json.dumps(lines)
    settings, ignored = lines[:2]
    assert settings["settings"]["max_batch"] == 2
    assert settings["settings"]["otlp_endpoint"] == "http://***@localhost:1"
    assert [line["event"] for line in lines if "event" in line] == ["settings", "ready", "drain", "stop"]
    assert ignored["message"].endswith("for Services: SINGLESHOT_PORT, SINGLESHOT_SERVICE_HOST")


def test_the_line_of_a_ready_server_names_each_version(tiny_bundle: Bundle, tmp_path: Path) -> None:
    canary = write_tiny_bundle(tmp_path / "canary", version="2")
    with starting(tiny_bundle, SINGLESHOT_CANARIES=str(canary.path)) as process:
        assert wait_for_event(process, "ready")["models"] == {"tiny": ["1", "2"]}


BLOCK_THE_LOOP = """
import sys, time
import service.__main__
from service.api.app import create_app

def create_blocking(settings):
    app = create_app(settings)
    @app.get("/block")
    async def block():
        time.sleep(1000)
    return app

service.__main__.create_app = create_blocking
sys.exit(service.__main__.main(sys.argv[1:]))
"""


def test_a_process_whose_event_loop_turns_no_more_ends_with_status_1_and_shows_its_stacks(tiny_bundle: Bundle) -> None:
    command = [sys.executable, "-c", BLOCK_THE_LOOP, "--bundle", str(tiny_bundle.path), "--port", "0"]
    environment = {**os.environ, "SINGLESHOT_ENGINE": "onnx", "SINGLESHOT_STUCK_SECONDS": "3"}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            port = port_of(wait_for_event(process, "ready"))
            with contextlib.closing(connection_to(port)) as connection:
                connection.request("GET", "/block")
                assert process.wait(SECONDS) == 1
            assert process.stderr is not None
            assert "in block" in process.stderr.read()
        finally:
            process.kill()


def test_a_server_with_a_short_limit_for_its_event_loop_goes_on(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle, SINGLESHOT_STUCK_SECONDS="0.5", SINGLESHOT_DRAIN_GRACE_SECONDS="2") as (process, _, port):
        assert get_status(port, "/readyz") == 200
        process.send_signal(signal.SIGTERM)  # the server goes on for the grace period
        assert process.wait(SECONDS) == 0


def test_connections_above_the_limit_are_answered_503_and_counted(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle, SINGLESHOT_MAX_CONNECTIONS="2") as (_, _, port):
        held = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(2)]
        for request in (b"", b"GET /readyz HTTP/1.1\r\nhost: test\r\n\r\n"):  # a client mostly sends at once
            with socket.create_connection(("127.0.0.1", port), SECONDS) as third:
                third.sendall(request)
                answer = third.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1\r\n" in answer
            assert b"2 connections are open" in answer
        held.pop().close()
        metrics = ""
        while "singleshot_connections_refused_total" not in metrics:  # until the server has seen that one is closed
            with contextlib.suppress(ConnectionError), contextlib.closing(connection_to(port)) as connection:
                connection.request("GET", "/metrics")
                metrics = connection.getresponse().read().decode()
        assert "singleshot_connections_limit 2.0" in metrics
        assert float(metrics.split("\nsingleshot_connections_refused_total ")[1].split()[0]) >= 1
        held.pop().close()


def connection_to(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
