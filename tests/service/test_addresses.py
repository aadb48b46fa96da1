"""The real process with TLS, and on a unix socket."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from service.__main__ import main
from service.bundle import Bundle
from tests.service.certificates import Pair, write_pair
from tests.service.served_app import GOLDEN
from tests.service.server_process import ROOT, SECONDS, read_log, starting, wait_for_event, warnings_of


class UnixConnection(http.client.HTTPConnection):
    """A connection to a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


def detect(connection: http.client.HTTPConnection) -> str:
    """Check that the server finds the objects of the golden image -> the header Connection of its answer."""
    connection.request("POST", "/detect", GOLDEN)
    response = connection.getresponse()
    assert response.status == 200
    assert b'"red"' in response.read()
    return response.getheader("Connection", "")


def detect_once(connection: http.client.HTTPConnection) -> str:
    """The same, and the connection is closed."""
    with closing(connection):
        return detect(connection)


def tls_connection(address: str, authority: bytes) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cadata=authority.decode())
    return http.client.HTTPSConnection(*host_and_port(address), timeout=SECONDS, context=context)


def host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.removeprefix("https://").rstrip("/").partition(":")
    return host, int(port)


def is_healthy(**environment: str) -> bool:
    """Whether the health check of the image finds a server that is ready."""
    command = [sys.executable, "-I", "-S", str(ROOT / "docker/health.py")]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True).returncode == 0


def test_a_server_with_tls_renews_its_certificate_and_drains(tiny_bundle: Bundle, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, password="swordfish")
    environment = {
        "SINGLESHOT_SSL_CERTFILE": str(pair.certificate),
        "SINGLESHOT_SSL_KEYFILE": str(pair.key),
        "SINGLESHOT_SSL_KEYFILE_PASSWORD": "swordfish",
        "SINGLESHOT_RELOAD_SECONDS": "0.05",
    }
    with starting(tiny_bundle, **environment) as process:
        log = read_log(process, "ready")
        assert "swordfish" not in json.dumps(log)
        address = log[-1]["address"]
        first = tls_connection(address, pair.certificate.read_bytes())
        detect(first)
        assert is_healthy(SINGLESHOT_PORT=str(host_and_port(address)[1]), **environment)

        old = pair.certificate.read_bytes()
        pair.certificate.write_text("no certificate")
        assert "clients get the old certificate" in wait_for_event(process, "certificate_refused")["message"]
        detect_once(tls_connection(address, old))

        write_pair(tmp_path, password="swordfish")
        wait_for_event(process, "certificate_read")
        detect_once(tls_connection(address, pair.certificate.read_bytes()))
        with pytest.raises(ssl.SSLCertVerificationError):
            detect_once(tls_connection(address, old))
        detect(first)

        process.send_signal(signal.SIGTERM)
        assert wait_for_event(process, "drain")
        assert detect_once(first) == "close"
        assert process.wait(SECONDS) == 0
        assert warnings_of(process) == []


def test_a_server_on_a_unix_socket_drains_and_removes_its_file(tiny_bundle: Bundle, tmp_path: Path) -> None:
    path = tmp_path / "server.sock"
    with starting(tiny_bundle, SINGLESHOT_UDS=str(path)) as process:
        assert wait_for_event(process, "ready")["address"] == f"unix:{path}"
        detect_once(UnixConnection(path))
        assert is_healthy(SINGLESHOT_UDS=str(path))
        assert not is_healthy(SINGLESHOT_UDS=str(tmp_path / "other.sock"))
        line = wait_for_event(process, "request")
        assert (line["status"], line["client"]) == (200, None)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert warnings_of(process) == []
    assert not path.exists()


def test_clients_need_a_certificate_if_the_server_has_authorities(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    pair, client = write_pair(tmp_path), write_pair(tmp_path / "client")
    environment = {"CERTFILE": pair.certificate, "KEYFILE": pair.key, "CA_CERTS": client.certificate}
    changes = {f"SINGLESHOT_SSL_{name}": str(path) for name, path in environment.items()}
    with starting(tiny_bundle, **changes) as process:
        address = wait_for_event(process, "ready")["address"]
        with pytest.raises((ssl.SSLError, ConnectionError)):
            detect_once(tls_connection(address, pair.certificate.read_bytes()))
        context = ssl.create_default_context(cafile=pair.certificate)
        context.load_cert_chain(client.certificate, client.key)
        detect_once(http.client.HTTPSConnection(*host_and_port(address), timeout=SECONDS, context=context))


@pytest.mark.parametrize("is_missing", [True, False])
def test_a_bad_certificate_is_one_sentence_and_status_1(
    is_missing: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair: Pair = write_pair(tmp_path)
    key = tmp_path / "other.pem" if is_missing else pair.certificate
    assert main(["--port", "0", "--ssl-certfile", str(pair.certificate), "--ssl-keyfile", str(key)]) == 1
    line = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert line["event"] == "start_failed"
    assert str(key) in line["message"]
