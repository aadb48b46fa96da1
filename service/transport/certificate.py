"""The certificate of the server: the TLS context that has it, and its renewal."""

import asyncio
import logging
import ssl
from pathlib import Path

from service.api.auth import change_of
from service.rpc.pem import Pem
from service.settings import Settings

logger = logging.getLogger("singleshot")
MISMATCHES = frozenset({"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"})  # OpenSSL's words


class CertificateError(Exception):
    """The certificate or its key cannot be used; the message names the file and the remedy."""


class Certificate:
    """Keeps the context for the next client, and the contents of its files.

    Raises CertificateError if the files of the settings are invalid.

    Each client's connection keeps the context that it began with.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.ssl_certfile is not None
        self._certificate = settings.ssl_certfile
        self._key = settings.ssl_keyfile or settings.ssl_certfile
        self._authorities = settings.ssl_ca_certs
        secret = settings.ssl_keyfile_password
        self._password = None if secret is None else secret.get_secret_value()
        self._has_grpc = settings.grpc_port is not None
        self._changes = self._changes_of_files()
        self.context, self.pem = self._read()

    async def poll(self) -> None:
        """Read the files again if they have changed. If they are invalid, clients still get the old certificate."""
        changes = await asyncio.to_thread(self._changes_of_files)
        if changes == self._changes:
            return
        self._changes = changes
        try:
            context, pem = await asyncio.to_thread(self._read)
        except CertificateError as error:
            logger.error("%s; clients get the old certificate", error, extra={"event": "certificate_refused"})
        else:
            if await asyncio.to_thread(self._changes_of_files) != changes:
                return  # they change right now: these may be of two pairs, and the next look reads them again
            self.context, self.pem = context, pem
            logger.info("%s: the certificate was read again", self._certificate, extra={"event": "certificate_read"})

    def _changes_of_files(self) -> list[object]:
        files = self._certificate, self._key, self._authorities
        return [path and change_of(path) for path in files]

    def _read(self) -> tuple[ssl.SSLContext, Pem]:
        chain, key = check_holds(self._certificate, "CERTIFICATE"), check_holds(self._key, "PRIVATE KEY")
        authorities = None
        is_encrypted = b"ENCRYPTED" in key
        if is_encrypted and self._password is None:
            raise CertificateError(f"{self._key}: the key is encrypted; set SINGLESHOT_SSL_KEYFILE_PASSWORD")
        if is_encrypted and self._has_grpc:
            raise CertificateError(f"{self._key}: gRPC takes no encrypted key; set an --ssl-keyfile without a password")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.set_alpn_protocols(["http/1.1"])
        try:
            # without a callback, OpenSSL would ask the terminal
            context.load_cert_chain(self._certificate, self._key, lambda: self._password or "")
        except (OSError, ValueError) as error:
            if getattr(error, "reason", None) in MISMATCHES:
                reason = (
                    f"the key does not belong to the certificate {self._certificate}; set the key that it was made for"
                )
            elif is_encrypted:
                reason = "the key cannot be decrypted; set the right SINGLESHOT_SSL_KEYFILE_PASSWORD"
            else:
                reason = f"the certificate {self._certificate} or its key is damaged: {error}; copy both again"
            raise CertificateError(f"{self._key}: {reason}") from error
        if self._authorities is not None:
            authorities = check_holds(self._authorities, "CERTIFICATE")
            try:
                context.load_verify_locations(self._authorities)
            except OSError as error:
                raise CertificateError(f"{self._authorities}: no certificates of authorities: {error}") from error
            context.verify_mode = ssl.CERT_REQUIRED
        return context, Pem(key, chain, authorities)


def check_holds(path: Path, kind: str) -> bytes:
    """The content of a PEM file that holds such an object; raises CertificateError if it holds none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: the file cannot be read: {error.strerror}; set another one") from error
    lines = [line for line in content.splitlines() if line.startswith(b"-----BEGIN ")]
    if not any(line.rstrip(b"- \r").endswith(kind.encode()) for line in lines):
        raise CertificateError(f"{path}: the file has no line -----BEGIN {kind}-----; set a file in PEM")
    return content
