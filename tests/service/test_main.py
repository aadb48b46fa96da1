"""The real process: `python -m service`."""

import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.__main__ import listen, main, read_settings
from service.bundle import Bundle
from service.settings import Settings
from tests.tiny_bundle import golden_image, png

ROOT = Path(__file__).parents[2]
GOLDEN = png(golden_image())
SECONDS = 60


@contextmanager
def serving(bundle: Bundle) -> Iterator[tuple[subprocess.Popen[str], str, int]]:
    """A server on a free port -> the process, the line that it printed, the port."""
    command = [sys.executable, "-m", "service", "--bundle", str(bundle.path), "--port", "0", "--engine", "onnx"]
    environment = {**os.environ, "SINGLESHOT_MAX_BATCH": "2", "SINGLESHOT_DRAIN_GRACE_SECONDS": "1"}
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


def test_sigterm_turns_readiness_off_then_finishes_what_was_accepted_and_exits_0(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle) as (process, line, port):
        assert "serving tiny on" in line
        assert "onnx" in line
        assert get_status(port, "/readyz") == 200

        accepted = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        accepted.putrequest("POST", "/detect")
        accepted.putheader("Content-Length", str(len(GOLDEN)))
        accepted.endheaders(GOLDEN[:50])
        process.send_signal(signal.SIGTERM)
        while get_status(port, "/readyz") != 503:
            assert process.poll() is None

        accepted.send(GOLDEN[50:])
        response = accepted.getresponse()
        assert response.status == 200
        assert b'"red"' in response.read()
        accepted.close()
        assert process.wait(SECONDS) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("content", [None, '{"format": 1}'])
def test_a_bad_bundle_is_one_sentence_and_status_1(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    assert main(["--bundle", str(tmp_path), "--port", "0"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("singleshot: ")
    assert error.count("\n") == 1
    assert "export" in error


def test_a_taken_port_is_one_sentence_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with listen(Settings(port=0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert re.fullmatch(rf"singleshot: cannot listen on 127\.0\.0\.1:{port}: .*\n", capsys.readouterr().err)


def test_a_setting_out_of_range_is_one_sentence_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "99999"]) == 1
    assert re.fullmatch(r"singleshot: port: .*\n", capsys.readouterr().err)


def test_the_command_line_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_PORT", "1234")
    monkeypatch.setenv("SINGLESHOT_HOST", "0.0.0.0")
    monkeypatch.setenv("SINGLESHOT_BUNDLES", os.pathsep.join(["default", "other"]))
    settings = read_settings(["--port", "4321"])
    assert (settings.port, settings.host, settings.bundles) == (4321, "0.0.0.0", ("default", "other"))


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--bundle default --bundle" in capsys.readouterr().out
