"""gRPC in a process of its own: its port, its certificate and its end."""

import queue
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from service.bundle import Bundle
from tests.service.certificates import write_pair
from tests.service.rpc.served import Code, grpc, refused, request, stubs
from tests.service.rpc.test_stream import until_none
from tests.service.server_process import (
    SECONDS,
    get_status,
    port_of,
    read_log,
    starting,
    wait_for_event,
    warnings_of,
)

GRPC = {"SINGLESHOT_GRPC_PORT": "0"}


@contextmanager
def serving(bundle: Bundle, **changes: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of gRPC -> its process and its address."""
    with starting(bundle, **GRPC, **changes) as process:
        ready = wait_for_event(process, "ready")
        assert ready["grpc_address"] in ready["message"]
        yield process, ready["grpc_address"]


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


def test_connections_that_are_too_many_are_closed_and_http_has_its_own(tiny_bundle: Bundle) -> None:
    with starting(tiny_bundle, SINGLESHOT_MAX_CONNECTIONS="2", **GRPC) as process:
        ready = wait_for_event(process, "ready")
        host, _, port = ready["grpc_address"].rpartition(":")
        with ExitStack() as stack:
            clients = [
                stack.enter_context(socket.create_connection((host, int(port)), timeout=SECONDS)) for _ in range(3)
            ]
            assert clients[0].recv(1) + clients[1].recv(1) == b"\0\0"  # their settings begin with it
            assert is_closed(clients[2])
            assert get_status(port_of(ready), "/readyz") == 200


def is_closed(client: socket.socket) -> bool:
    """Whether the server has closed a connection without a byte; else there is one."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


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
