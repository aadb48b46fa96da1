"""One call: what its client has sent beside the message, and its message."""

import asyncio
import time
from typing import Any
from urllib.parse import unquote

import grpc

from service.api.deadline import MAX_TIMEOUT_MS
from service.api.problems import RequestError
from service.api.request_context import id_of
from service.api.request_journal import Arrival
from service.api.request_record import RequestRecord
from service.rpc.messages import Message
from service.telemetry.model_metrics import GRPC

MIN_TIMEOUT_SECONDS = 0.001
DEADLINE_SECONDS = 0.01  # the deadlines of the client and of the server differ by the time that a message takes
Context = Any  # grpc.aio.ServicerContext, whose types are incomplete


class Call:
    """A call, or one request of a stream. `headers` are the metadata of the client, without the binary ones."""

    def __init__(self, path: str, route: str, context: Context, sent_id: str | None = None) -> None:
        self.start = time.monotonic()
        self.path = path
        self.route = route
        self.context = context
        firsts = dict(reversed(context.invocation_metadata() or ()))  # the first of several of the same name
        self.headers = {name: value for name, value in firsts.items() if isinstance(value, str)}
        self.peer = context.peer()
        self.record = RequestRecord()
        self.message_id = ""  # that the client has given the request
        self.request_id = id_of(self.headers.get("x-request-id", "") if sent_id is None else sent_id)

    @property
    def address(self) -> str:
        """The client's address."""
        return address_of(self.peer)

    @property
    def seconds_left(self) -> float | None:
        """The seconds until the deadline of the call; None if it has none."""
        seconds: float | None = self.context.time_remaining()
        return None if seconds is None else max(MIN_TIMEOUT_SECONDS, min(seconds, MAX_TIMEOUT_MS / 1000))

    @property
    def is_late(self) -> bool:
        """Whether the deadline of the call has passed."""
        seconds: float | None = self.context.time_remaining()
        return seconds is not None and seconds < DEADLINE_SECONDS

    def arrival(self) -> Arrival:
        """The call in the words of the journal."""
        return Arrival(
            protocol=GRPC,
            method="POST",
            path=self.path,
            route=self.route,
            client=self.address,
            request_id=self.request_id,
            start=self.start,
            headers=lambda: self.headers,
        )


def address_of(peer: str) -> str:
    """`ipv4:10.0.0.1:5000` or `ipv6:%5B::1%5D:5000` -> the address."""
    kind, _, rest = unquote(peer).partition(":")
    return rest.rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else kind


async def read_data(call: Call, kind: Any, receive_seconds: float) -> bytes:
    """The message of a call with one, which should be of this kind, in bytes; raises RequestError 400 and 408."""
    try:
        async with asyncio.timeout(receive_seconds):
            data: bytes = await call.context.read()
    except TimeoutError:
        raise RequestError(408, f"the message did not arrive within {receive_seconds:g} s") from None
    if data is grpc.aio.EOF:
        raise RequestError(400, f"the call has no message; send a {kind.DESCRIPTOR.name}")
    return data


def parse_message(data: bytes, kind: Any) -> Message:
    """The message; raises RequestError 400."""
    try:
        return kind.FromString(data)
    except Exception as error:  # protobuf's DecodeError, and its errors of the depth
        raise RequestError(400, f"the message is no {kind.DESCRIPTOR.name}: {error}") from error
