"""The port of gRPC is checked before the models load."""

import asyncio
from pathlib import Path

import pytest

from service.transport import grpc_port
from service.transport.certificate import Certificate, CertificateError
from service.transport.grpc_port import GrpcPort
from service.transport.listening_socket import ListenError
from tests.service.certificates import write_pair
from tests.service.served_app import settings


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of gRPC, of which the port needs no more than that they are there."""
    monkeypatch.setattr(grpc_port, "find_spec", lambda _: object())


def test_a_port_that_is_free_is_taken_at_once() -> None:
    with GrpcPort(settings(grpc_port=0), None) as port:
        address = port.address
        with pytest.raises(ListenError, match=f"cannot listen on {address} for gRPC: Address already in use"):
            GrpcPort(settings(grpc_port=int(address.rpartition(":")[2])), None)


def test_an_address_of_ipv6_has_brackets() -> None:
    try:
        with GrpcPort(settings(host="::1", grpc_port=0), None) as port:
            assert port.address.startswith("[::1]:")
    except ListenError:
        pytest.skip("this machine has no address ::1")


def test_without_its_packages_the_sentence_says_how_to_install_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_port, "find_spec", lambda _: None)
    with pytest.raises(ListenError) as caught:
        GrpcPort(settings(grpc_port=0), None)
    assert str(caught.value) == "gRPC is not installed; run `pip install '.[cpu,grpc]'`, or leave out --grpc-port"


def test_an_encrypted_key_is_refused_because_grpc_takes_none(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, password="secret")
    encrypted = settings(
        grpc_port=0, ssl_certfile=pair.certificate, ssl_keyfile=pair.key, ssl_keyfile_password="secret"
    )
    with pytest.raises(CertificateError) as caught:
        Certificate(encrypted)
    assert str(caught.value) == f"{pair.key}: gRPC takes no encrypted key; set an --ssl-keyfile without a password"


def test_a_renewal_with_an_encrypted_key_is_refused_for_both_ports(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = write_pair(tmp_path)
    certificate = Certificate(
        settings(grpc_port=0, ssl_certfile=pair.certificate, ssl_keyfile=pair.key, ssl_keyfile_password="secret")
    )
    before = certificate.context, certificate.pem
    write_pair(tmp_path, password="secret")
    asyncio.run(certificate.poll())
    assert (certificate.context, certificate.pem) == before
    assert "gRPC takes no encrypted key" in caplog.text
