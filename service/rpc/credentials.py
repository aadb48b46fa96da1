"""The certificate of the server in gRPC's terms."""

from collections.abc import Callable

import grpc

from service.rpc.pem import Pem


def credentials_of(pem: Callable[[], Pem]) -> grpc.ServerCredentials:
    """Credentials that follow the certificate: each new client gets the one that `pem` gives then."""
    last = pem()

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal last
        now = pem()
        if now == last:
            return None
        last = now
        return configuration_of(now)

    return grpc.dynamic_ssl_server_credentials(
        configuration_of(last), fetch, require_client_authentication=last.authorities is not None
    )


def configuration_of(pem: Pem) -> grpc.ServerCertificateConfiguration:
    """A certificate with its key, and the authorities of the clients."""
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], pem.authorities)
