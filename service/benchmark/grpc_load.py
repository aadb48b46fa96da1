"""Sends the requests of a load by gRPC, as messages of the Open Inference Protocol."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import grpc

from service.benchmark.http_load import LOST
from service.rpc.messages import SERVICE, inference

STATUSES = {  # of HTTP
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}
NUM_CHANNELS = 4  # each with a connection of its own, since one would be the limit of the client
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
SECONDS = 10.0


@dataclass(frozen=True)
class GrpcTarget:
    """The address and the model that the requests are sent to; `timeout_seconds` is the deadline of each call."""

    address: str
    model: str
    timeout_seconds: float | None = None

    @classmethod
    def of(cls, url: str) -> "GrpcTarget":
        """The target of an address like grpc://127.0.0.1:8001 or grpc://127.0.0.1:8001/MODEL; without one, the first.

        Raises ValueError.
        """
        parts = urlsplit(url)
        if parts.scheme != "grpc" or not parts.hostname or not parts.port:
            raise ValueError(f"{url}: the address should look like grpc://127.0.0.1:8001")
        return cls(parts.netloc, parts.path.strip("/") or first_model(parts.netloc))

    def with_timeout(self, seconds: float) -> "GrpcTarget":
        """The same target with a deadline."""
        return replace(self, timeout_seconds=seconds)

    def post(self, image: bytes) -> bytes:
        """The message with an image file."""
        message = inference("ModelInferRequest")(model_name=self.model)
        message.inputs.add(name="image", datatype="BYTES", shape=[1])
        message.raw_input_contents.append(len(image).to_bytes(4, "little") + image)
        return bytes(message.SerializeToString())

    def sender(self) -> "GrpcSender":
        """What sends the requests."""
        return GrpcSender(self)


class GrpcSender:
    """Some connections, on each of which any number of calls may be under way."""

    def __init__(self, target: GrpcTarget) -> None:
        self._target = target
        channels = [grpc.aio.insecure_channel(target.address, options=OWN_CONNECTION) for _ in range(NUM_CHANNELS)]
        self._channels = channels
        self._calls = [channel.unary_unary(f"/{SERVICE}/ModelInfer") for channel in channels]
        self._next = 0

    async def send(self, request: bytes, on_sent: Callable[[], None]) -> int:
        """Send a request -> the status of its answer, in HTTP's terms."""
        self._next = (self._next + 1) % NUM_CHANNELS
        call: Any = self._calls[self._next](request, timeout=self._target.timeout_seconds)
        on_sent()
        return STATUSES.get(await call.code(), LOST)

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.gather(*[channel.close() for channel in self._channels])


def first_model(address: str) -> str:
    """The name of the first loaded model; raises ValueError."""
    with grpc.insecure_channel(address) as channel:
        index = channel.unary_unary(
            f"/{SERVICE}/RepositoryIndex",
            request_serializer=inference("RepositoryIndexRequest").SerializeToString,
            response_deserializer=inference("RepositoryIndexResponse").FromString,
        )
        try:
            models = index(inference("RepositoryIndexRequest")(ready=True), timeout=SECONDS, wait_for_ready=True).models
        except grpc.RpcError as error:
            raise ValueError(f"grpc://{address}: {error.details()}; is it the server's --grpc-port?") from error
    if not models:
        raise ValueError(f"grpc://{address}: no model is loaded there")
    return str(models[0].name)
