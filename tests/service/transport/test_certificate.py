"""The files of the certificate: what is wrong with them is said in one sentence, and a renewal is noticed."""

import asyncio
import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

from service.transport.certificate import Certificate, CertificateError
from tests.service.certificates import replace, write_pair
from tests.service.served_app import settings


def certificate_with(**changes: Any) -> Certificate:
    return Certificate(settings(**{f"ssl_{name}": value for name, value in changes.items()}))


def test_a_certificate_and_its_key_are_read(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    context = certificate_with(certfile=pair.certificate, keyfile=pair.key).context
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE


def test_the_key_may_be_in_the_file_of_the_certificate(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    certificate_with(certfile=both)


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, password="swordfish")
    certificate_with(certfile=pair.certificate, keyfile=pair.key, keyfile_password="swordfish")
    for password, sentence in (
        (None, "the key is encrypted; set SINGLESHOT_SSL_KEYFILE_PASSWORD"),
        ("herring", "the key cannot be decrypted; set the right SINGLESHOT_SSL_KEYFILE_PASSWORD"),
        ("h" * 2000, "the key cannot be decrypted; set the right SINGLESHOT_SSL_KEYFILE_PASSWORD"),
    ):
        with pytest.raises(CertificateError) as caught:
            certificate_with(certfile=pair.certificate, keyfile=pair.key, keyfile_password=password)
        assert str(caught.value) == f"{pair.key}: {sentence}"


def test_each_fault_of_the_files_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    pair, other = write_pair(tmp_path), write_pair(tmp_path / "other")
    damaged = tmp_path / "damaged.pem"
    damaged.write_bytes(pair.certificate.read_bytes()[:200])
    cases: list[tuple[dict[str, Path], str]] = [
        ({"certfile": tmp_path / "none.pem"}, "none.pem: the file cannot be read: No such file or directory"),
        ({"certfile": tmp_path}, "the file cannot be read: Is a directory"),
        ({"certfile": pair.certificate}, "certificate.pem: the file has no line -----BEGIN PRIVATE KEY-----"),
        ({"certfile": pair.key}, "key.pem: the file has no line -----BEGIN CERTIFICATE-----"),
        ({"certfile": pair.certificate, "keyfile": other.key}, "the key does not belong to the certificate"),
        ({"certfile": damaged, "keyfile": pair.key}, "is damaged"),
        ({"certfile": pair.certificate, "keyfile": pair.key, "ca_certs": pair.key}, "no line -----BEGIN CERTIFICATE"),
        ({"certfile": pair.certificate, "keyfile": pair.key, "ca_certs": damaged}, "no certificates of authorities"),
    ]
    for files, sentence in cases:
        with pytest.raises(CertificateError) as caught:
            certificate_with(**files)
        assert sentence in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_renewed_certificate_is_read_and_a_bad_one_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = write_pair(tmp_path)
    certificate = certificate_with(certfile=pair.certificate, keyfile=pair.key)
    first = certificate.context
    asyncio.run(certificate.poll())
    assert certificate.context is first
    write_pair(tmp_path)
    asyncio.run(certificate.poll())
    second = certificate.context
    assert second is not first
    pair.key.write_text("no key")
    with caplog.at_level(logging.ERROR):
        asyncio.run(certificate.poll())
        asyncio.run(certificate.poll())
    assert certificate.context is second
    assert len(caplog.records) == 1  # not at each look
    assert "clients get the old certificate" in caplog.text


def test_a_renewal_that_is_seen_halfway_gives_no_mixed_pair(tmp_path: Path) -> None:
    pairs = set()
    for name in ("first", "second"):
        pair = write_pair(tmp_path, name)
        pairs.add((pair.certificate.read_bytes(), pair.key.read_bytes()))
    certificate = certificate_with(certfile=pair.certificate, keyfile=pair.key)
    is_over = threading.Event()

    def renew() -> None:
        while not is_over.is_set():
            for chain, key in pairs:
                replace(pair.certificate, chain)
                replace(pair.key, key)

    async def look() -> None:
        for _ in range(100):
            await certificate.poll()
            assert (certificate.pem.chain, certificate.pem.key) in pairs

    renewing = threading.Thread(target=renew)
    renewing.start()
    try:
        asyncio.run(look())
    finally:
        is_over.set()
        renewing.join()
