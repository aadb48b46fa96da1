"""A certificate with its key, for a server that accepts TLS clients itself."""

from typing import NamedTuple


class Pem(NamedTuple):
    """The contents of PEM files: the key, the certificate with its chain, and, if clients need a certificate, the
    authorities.
    """

    key: bytes
    chain: bytes
    authorities: bytes | None
