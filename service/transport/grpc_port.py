"""The port of gRPC: it is taken before the models load, so that a port in use is reported at once."""

from importlib.util import find_spec
from typing import TYPE_CHECKING, Self

from service.api.state import ServerState
from service.settings import Settings
from service.transport.certificate import Certificate
from service.transport.listening_socket import ListenError, in_url, listening_socket
from service.transport.open_files import max_connections

if TYPE_CHECKING:
    from service.rpc.server import RpcServer

REMEDY = "choose another --grpc-port or --host"


class GrpcPort:
    """A port on which gRPC will listen. Raises ListenError if it cannot, or if gRPC is not installed.

    Until then a socket keeps other programs from the port.
    """

    def __init__(self, settings: Settings, certificate: Certificate | None) -> None:
        if find_spec("grpc") is None or find_spec("google.protobuf") is None:
            raise ListenError("gRPC is not installed; run `pip install '.[cpu,grpc]'`, or leave out --grpc-port")
        self._certificate = certificate
        self._max_connections = max_connections(settings)
        try:
            self._socket = listening_socket(settings.host, settings.grpc_port or 0)
        except OSError as error:
            place = f"{settings.host}:{settings.grpc_port}"
            raise ListenError(f"cannot listen on {place} for gRPC: {error.strerror}; {REMEDY}") from error
        self.address = in_url(settings.host, self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    async def serve(self, server: ServerState) -> "RpcServer":
        """Serve gRPC; raises ListenError if another program has just taken the port."""
        from service.rpc.server import RpcError, RpcServer  # it needs the package grpcio

        rpc, certificate = RpcServer(server, self._max_connections), self._certificate
        self._socket.close()
        try:
            await rpc.start(self.address, None if certificate is None else lambda: certificate.pem)
        except RpcError as error:
            raise ListenError(f"cannot listen on {self.address} for gRPC: {error}; {REMEDY}") from error
        return rpc
