"""The real process: `python -m service`."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import service.repository.slot
import service.settings
from service import __version__
from service.__main__ import main, read_settings
from service.bundle import Bundle
from service.settings import Settings
from service.transport import grpc_port
from service.transport.process import listen
from tests.service.served_app import GOLDEN
from tests.service.server_process import ROOT, SECONDS, get_status, port_of, serving, wait_for_event, warnings_of
from tests.tiny_bundle import png, write_tiny_bundle


def test_sigterm_ends_readiness_then_the_server_finishes_accepted_requests_and_exits_0(tiny_bundle: Bundle) -> None:
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
        assert warnings_of(process) == []


class Load:
    """Clients that send one request after another until the server asks them to close the connection."""

    def __init__(self, port: int, *, num_clients: int = 6) -> None:
        self.statuses: Counter[int] = Counter()
        self.failures: list[str] = []
        self.is_over = threading.Event()
        self._port = port
        self._answered = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(num_clients)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, num_answers: int) -> None:
        for _ in range(num_answers):
            assert self._answered.acquire(timeout=SECONDS)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()

    def _ask(self, keeps_connection: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SECONDS)
        try:
            while not self.is_over.is_set():
                connection.request("POST", "/detect", GOLDEN)
                response = connection.getresponse()
                assert b'"red"' in response.read()
                self.statuses[response.status] += 1
                self._answered.release()
                if response.getheader("Connection") == "close":
                    return
                if not keeps_connection:
                    connection.close()
        except (OSError, AssertionError, http.client.HTTPException) as error:
            self.failures.append(repr(error))
        finally:
            connection.close()


def test_sigterm_under_load_loses_no_request(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle) as (process, _, port):
        load = Load(port)
        load.wait_for(30)
        process.send_signal(signal.SIGTERM)
        load.join()
        assert process.wait(SECONDS) == 0
        assert load.failures == []
        assert set(load.statuses) == {200}
        assert warnings_of(process) == []


def test_a_reload_under_load_loses_no_request(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "bundle")
    with serving(bundle, SINGLESHOT_RELOAD_SECONDS="0.05") as (process, _, port):
        load = Load(port)
        load.wait_for(10)
        for version in ("2", "3"):
            write_tiny_bundle(bundle.path, version=version)
            while served_version(port) != version:
                load.wait_for(1)
            load.wait_for(10)
        load.is_over.set()
        load.join()
        assert load.failures == []
        assert set(load.statuses) == {200}
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS) == 0


def served_version(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    connection.request("GET", "/models")
    version: str = json.loads(connection.getresponse().read())["models"][0]["version"]
    connection.close()
    return version


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    """Check that the log's last line says why the server did not start -> its message, a sentence on one line."""
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    message: str = line["message"]
    assert (line["event"], line["level"]) == ("start_failed", "error")
    assert "exception" not in line
    assert "\n" not in message
    return message


@pytest.mark.parametrize("content", [None, '{"format": 1}'])
def test_a_bad_bundle_is_one_sentence_and_status_1(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_text(content)
    assert main(["--bundle", str(tmp_path), "--port", "0"]) == 1
    assert "export" in failure(capsys)


def test_a_port_in_use_is_one_sentence_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    with listen(read_settings(["--port", "0"])) as listener:
        port = listener.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert re.fullmatch(rf"cannot listen on 127\.0\.0\.1:{port}: .*", failure(capsys))


def test_a_port_of_grpc_in_use_is_one_sentence_and_status_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_port, "find_spec", lambda _: object())  # its packages need not be there
    with listen(read_settings(["--port", "0"])) as listener:
        port = listener.getsockname()[1]
        assert main(["--port", "0", "--grpc-port", str(port)]) == 1
    assert re.fullmatch(rf"cannot listen on 127\.0\.0\.1:{port} for gRPC: .*", failure(capsys))


def test_a_setting_out_of_range_is_one_sentence_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "99999"]) == 2
    assert re.fullmatch(r"port: .*", failure(capsys))


def test_misspelt_settings_are_one_sentence_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SINGLESHOT_MAX_BATHC", "4")
    monkeypatch.setenv("singleshot_xyz", "")
    monkeypatch.setenv("SINGLESHOT_API_KEYS_FILE", "")
    assert main(["--port", "0"]) == 2
    assert failure(capsys) == (
        "SINGLESHOT_API_KEYS_FILE is empty: set it to a file, or remove it to serve without API keys; "
        "SINGLESHOT_MAX_BATHC is no setting: is SINGLESHOT_MAX_BATCH meant?; "
        "singleshot_xyz is no setting: remove it; docs/operating.md lists the settings"
    )


def test_an_empty_variable_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = read_settings([])
    for name in ("PORT", "BUNDLES", "MODEL_CONTROL", "RATE_LIMIT", "LOG_LEVEL"):
        monkeypatch.setenv(f"SINGLESHOT_{name}", "")
    assert read_settings([]) == defaults


def test_kubernetes_variables_of_a_service_of_that_name_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_PORT", "tcp://10.0.0.1:80")
    monkeypatch.setenv("SINGLESHOT_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("SINGLESHOT_ENGINE_STREAMS", "2")
    settings = read_settings([])
    assert (settings.port, settings.engine_streams) == (8000, 2)


def test_the_settings_are_shown_without_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_OTLP_ENDPOINT", "http://me:secret@collector:4318/v1")
    shown = read_settings(["--bundle", "a", "--bundle", "s3://me:secret@b/c"]).masked()
    assert shown["otlp_endpoint"] == "http://***@collector:4318/v1"
    assert shown["bundles"] == ["a", "s3://***@b/c"]
    assert shown.keys() == Settings.model_fields.keys()
    json.dumps(shown)


@pytest.mark.parametrize(
    "endpoint", ["me:secret@collector:4318", "http://me:secret@[collector", "http://collector?secret", "http://:secret"]
)
def test_an_endpoint_that_is_no_url_of_a_collector_is_refused_without_its_secrets(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SINGLESHOT_OTLP_ENDPOINT", endpoint)
    assert main(["--port", "0"]) == 2
    sentence = failure(capsys)
    assert "should be the URL of a collector" in sentence
    assert "secret" not in sentence


@pytest.mark.parametrize(
    "origin",
    [
        "http://shop.example/",
        "https://shop.example/cart",
        "HTTPS://shop.example",
        "http://a:80",
        "http://a:65536",
        "null",
        "shop.example",
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_at_the_start(
    origin: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SINGLESHOT_CORS_ORIGINS", f"https://good.example, {origin}")
    assert main(["--port", "0"]) == 2
    sentence = failure(capsys)
    assert sentence.startswith("cors_origins: should be * or origins as browsers send them, e.g. https://shop.example")
    assert sentence.endswith(f"without a path and the usual port, not {origin!r}")


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_CORS_ORIGINS", "https://shop.example, http://localhost:3000,http://[::1]:8080")
    assert read_settings([]).cors_origins == ("https://shop.example", "http://localhost:3000", "http://[::1]:8080")
    monkeypatch.setenv("SINGLESHOT_CORS_ORIGINS", "*")
    assert read_settings([]).cors_origins == ("*",)


def test_a_key_without_a_certificate_is_refused_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0", "--ssl-keyfile", "key.pem"]) == 2
    assert failure(capsys) == "the settings: ssl_keyfile has no effect without ssl_certfile; set both"


def test_the_password_of_the_key_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_SSL_KEYFILE_PASSWORD", "swordfish")
    found = read_settings(["--ssl-certfile", "a.pem"])
    assert "swordfish" not in f"{found!r} {found.masked()}"
    assert found.masked()["ssl_keyfile_password"]


def test_the_command_line_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SINGLESHOT_PORT", "1234")
    monkeypatch.setenv("SINGLESHOT_HOST", "0.0.0.0")
    monkeypatch.setenv("SINGLESHOT_BUNDLES", os.pathsep.join(["default", "other"]))
    settings = read_settings(["--port", "4321"])
    assert (settings.port, settings.host, settings.bundles) == (4321, "0.0.0.0", ("default", "other"))


def test_aliases_are_repeated_on_the_command_line_and_separated_in_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SINGLESHOT_SERVE_AS", os.pathsep.join(["cells", "tiny=blood"]))
    assert read_settings([]).serve_as == ("cells", "tiny=blood")
    assert read_settings(["--serve-as", "one", "--serve-as", "tiny=two"]).serve_as == ("one", "tiny=two")


@pytest.mark.parametrize("name", ["", "a/b", "two words", "{{.Name}}", "=cells", "tiny=", "a=b=c", "é", 65 * "a", ".."])
def test_a_name_that_no_url_holds_is_one_sentence_and_status_2(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0", "--serve-as", name]) == 2
    assert re.match(r"serve_as: should be NAME or MODEL=NAME, not '.*'; a name has 1 to 64 letters", failure(capsys))


def test_an_alias_of_no_model_is_one_sentence_and_status_1(
    tiny_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--bundle", str(tiny_bundle.path), "--port", "0", "--engine", "onnx"]
    assert main([*options, "--serve-as", "other=cells"]) == 1
    assert failure(capsys) == "--serve-as other=cells: no model is named other; there are tiny"


def test_the_log_names_the_bundles_that_are_served_if_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in (service.settings, service.repository.slot):
        monkeypatch.setattr(module, "MOUNTED_BUNDLES", tmp_path)
    assert main(["--port", "0"]) == 1
    (line,) = [json.loads(text) for text in capsys.readouterr().err.splitlines() if '"settings"' in text]
    assert line["message"].endswith(f"no bundle is given, so {tmp_path} is served")
    assert line["settings"]["bundles"] == [str(tmp_path)]


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--bundle default --bundle" in capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith(f"singleshot {__version__} (Python ")


@pytest.mark.parametrize(
    ("value", "path"), [("~/engines", "/home/me/engines"), ("", "/home/me/.cache/singleshot"), ("here", "here")]
)
def test_the_home_directory_is_expanded_in_the_cache_s_path(
    monkeypatch: pytest.MonkeyPatch, value: str, path: str
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("SINGLESHOT_ENGINE_CACHE", value)
    assert read_settings([]).engine_cache == Path(path)


LOSE_THE_DEVICE = """
import sys
import service.__main__
from service.api.app import create_app
from service.engines.open import open_engine
from service.engines.protocol import DeviceLostError

class Engine:
    def __init__(self, engine):
        self.engine = engine
        self.__dict__.update({name: getattr(engine, name) for name in
            ("name", "device", "precision", "num_streams", "num_threads", "batch_sizes", "late_sizes", "prepare",
             "close")})

    def __call__(self, images):
        if images[0, 0, 0, 0] == 7:
            raise DeviceLostError("CUDA error 700")
        return self.engine(images)

def open_faulty(*given, **options):
    return Engine(open_engine(*given, **options))

service.__main__.create_app = lambda settings: create_app(settings, open_faulty)
sys.exit(service.__main__.main(sys.argv[1:]))
"""


def test_a_process_whose_device_is_lost_ends_with_status_1(tiny_bundle: Bundle) -> None:
    options = ["--bundle", str(tiny_bundle.path), "--port", "0", "--engine", "onnx"]
    command = [sys.executable, "-c", LOSE_THE_DEVICE, *options]
    environment = {**os.environ, "SINGLESHOT_MAX_BATCH": "2", "SINGLESHOT_WATCHDOG_SECONDS": "0.05"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            port = port_of(wait_for_event(process, "ready"))
            pixels = np.full((64, 64, 3), 7, np.uint8)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            connection.request("POST", "/detect", png(pixels))
            assert connection.getresponse().status == 500
            connection.close()
            assert process.wait(SECONDS) == 1
            assert process.stderr is not None
            assert "this process ends, so that it is started again" in process.stderr.read()
        finally:
            process.kill()
