"""gRPC in a process of its own: its port, its certificate and its end."""

import queue
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.bundle import Bundle
from tests.service.certificates import write_pair
from tests.service.rpc.served import Code, grpc, refused, request, stubs
from tests.service.rpc.test_stream import until_none
from tests.service.server_process import ROOT, SECONDS, read_log, starting, wait_for_event, warnings_of

GRPC = {"SINGLESHOT_GRPC_PORT": "0"}


@contextmanager
def serving(bundle: Bundle, **changes: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of gRPC -> its process and its address."""
    with starting(bundle, **GRPC, **changes) as process:
        ready = wait_for_event(process, "ready")
        assert ready["grpc_address"] in ready["message"]
        yield process, ready["grpc_address"]


def last_error(bundle: Bundle, **changes: str) -> str:
    """The last line of the log of a server that does not start."""
    with starting(bundle, **{**GRPC, **changes}) as process:
        message: str = wait_for_event(process, "start_failed")["message"]
        assert process.wait(SECONDS) == 1
    return message


def test_a_terminated_process_answers_the_accepted_requests_and_ends_its_streams(tiny_bundle: Bundle) -> None:
    with serving(tiny_bundle) as (process, address), grpc.insecure_channel(address) as channel:
        stub = stubs.GRPCInferenceServiceStub(channel)
        requests: queue.Queue[Any] = queue.Queue()
        answers = stub.ModelStreamInfer(until_none(requests))
        requests.put(request())
        assert not next(answers).error_message
        process.send_signal(signal.SIGTERM)
        wait_for_event(process, "drain")
        requests.put(request())  # within the grace period
        assert not next(answers).error_message
        assert "shutting down" in refused(Code.UNAVAILABLE, lambda: next(answers)).details()
        requests.put(None)
        assert process.wait(SECONDS) == 0
        assert warnings_of(process) == []


def test_a_port_in_use_is_an_error_in_one_sentence(tiny_bundle: Bundle) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = last_error(tiny_bundle, SINGLESHOT_GRPC_PORT=str(port))
    reason = f"cannot listen on 127.0.0.1:{port} for gRPC: Address already in use"
    assert message == f"{reason}; choose another --grpc-port or --host"


def test_without_its_package_the_sentence_says_how_to_install_it(tiny_bundle: Bundle) -> None:
    """The process cannot see the package grpc."""
    hide = """
import importlib.util, runpy, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *parts: None if name == "grpc" else found(name, *parts)
runpy.run_module("service", run_name="__main__", alter_sys=True)
"""
    arguments = ["--bundle", str(tiny_bundle.path), "--port", "0", "--grpc-port", "0"]
    done = subprocess.run(
        [sys.executable, "-c", hide, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "gRPC is not installed; run `pip install '.[cpu,grpc]'`, or leave out --grpc-port" in done.stderr
    assert "Traceback" not in done.stderr


def test_clients_connect_with_tls_and_get_a_renewed_certificate(tiny_bundle: Bundle, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, "first")
    files = {"SINGLESHOT_SSL_CERTFILE": str(pair.certificate), "SINGLESHOT_SSL_KEYFILE": str(pair.key)}
    with serving(tiny_bundle, SINGLESHOT_RELOAD_SECONDS="0.05", **files) as (process, address):
        call(address, pair.certificate)
        old = pair.certificate.read_bytes()
        write_pair(tmp_path, "second")
        read_log(process, "certificate_read")
        call(address, pair.certificate)
        with grpc.secure_channel(address, grpc.ssl_channel_credentials(old)) as channel:
            refused(Code.UNAVAILABLE, stubs.GRPCInferenceServiceStub(channel).ModelInfer, request(), timeout=SECONDS)
        with grpc.insecure_channel(address) as channel:
            refused(Code.UNAVAILABLE, stubs.GRPCInferenceServiceStub(channel).ModelInfer, request(), timeout=SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0


def call(address: str, authority: Path, *key_and_chain: bytes) -> None:
    """Call a server that has this certificate, or one of this authority."""
    credentials = grpc.ssl_channel_credentials(authority.read_bytes(), *key_and_chain)
    with grpc.secure_channel(address, credentials) as channel:
        assert stubs.GRPCInferenceServiceStub(channel).ModelInfer(request(), timeout=SECONDS).outputs


def test_clients_need_a_certificate_if_there_are_authorities(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "client").mkdir()
    pair, client = write_pair(tmp_path), write_pair(tmp_path / "client", "client")
    files = {"SINGLESHOT_SSL_CERTFILE": str(pair.certificate), "SINGLESHOT_SSL_KEYFILE": str(pair.key)}
    with serving(tiny_bundle, SINGLESHOT_SSL_CA_CERTS=str(client.certificate), **files) as (_, address):
        call(address, pair.certificate, client.key.read_bytes(), client.certificate.read_bytes())
        with pytest.raises(grpc.RpcError):
            call(address, pair.certificate)


def test_an_encrypted_key_is_an_error_in_one_sentence(tiny_bundle: Bundle, tmp_path: Path) -> None:
    pair = write_pair(tmp_path, password="secret")
    files = {"SINGLESHOT_SSL_CERTFILE": str(pair.certificate), "SINGLESHOT_SSL_KEYFILE": str(pair.key)}
    message = last_error(tiny_bundle, SINGLESHOT_SSL_KEYFILE_PASSWORD="secret", **files)
    assert message == "gRPC takes no encrypted key; set an --ssl-keyfile without a password"
