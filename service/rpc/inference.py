"""ModelInfer: one request, one answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from service.api.detect_routes import INFER
from service.api.open_inference.inference import infer_tensors
from service.api.open_inference.request import outputs_of, timeout_of
from service.api.state import ROOM_SECONDS, ServerState
from service.rpc.call import Call, Context, parse_message, read_data
from service.rpc.calls import Calls
from service.rpc.messages import SERVICE, Message, inference
from service.rpc.tensors import check_counts, format_response, parse_request

PATH = f"/{SERVICE}/ModelInfer"
LARGE_BYTES = 2**18  # a message of more bytes is read by the pool: it would take the event loop more than 0.1 ms
Request = inference("ModelInferRequest")
T = TypeVar("T")


class Inference:
    """Answers ModelInfer, and the requests of streams."""

    def __init__(self, server: ServerState, calls: Calls) -> None:
        self._server = server
        self._calls = calls

    async def handle(self, _: object, context: Context) -> bytes:
        """Answer a call. The client is checked before the message is read."""
        return await self._calls.answer(Call(PATH, INFER, context), self._read_and_infer)

    async def infer(self, call: Call, data: bytes, timeout_seconds: float | None) -> Message:
        """The answer to a ModelInferRequest in bytes, for a client that waits so long; raises ANSWERED_ERRORS."""
        server, record = self._server, call.record
        num_bytes = record.num_bytes = len(data)
        with server.body_share(ROOM_SECONDS) as share:  # of a message whose model is not known yet
            share.add(num_bytes)
            message = await self._run(num_bytes, lambda: parse_counted(call, data))
        model = server.repository.choose(message.model_name, message.model_version or None)
        record.begin(model, timeout_seconds)
        server.check_early(model, timeout_seconds, call.start)
        with server.admitted(model) as share:
            share.add(num_bytes)
            wanted, values = await self._run(num_bytes, lambda: parse_request(message))
            outputs = outputs_of(wanted)
            given = [seconds for seconds in (timeout_of(wanted), timeout_seconds) if seconds]
            timeout_seconds = min(given, default=None)
            tensors = await infer_tensors(
                server, model, record, wanted, values, timeout_seconds=timeout_seconds, start=call.start
            )
        return format_response(message.model_name, model.version, wanted.id, tensors, outputs)

    async def _read_and_infer(self, call: Call) -> Message:
        server, timeout_seconds = self._server, call.seconds_left
        server.access.admit(call.headers, call.address, call.record)
        server.busy.check_lag(timeout_seconds)
        with server.receiving():
            data = await read_data(call, Request, server.settings.receive_seconds)
        call.record.received = time.monotonic()
        return await self.infer(call, data, timeout_seconds)

    async def _run(self, num_bytes: int, work: Callable[[], T]) -> T:
        """Do work that takes as long as a message of so many bytes is large."""
        return await self._server.decoders.run(0, work) if num_bytes > LARGE_BYTES else work()


def parse_counted(call: Call, data: bytes) -> Message:
    """The ModelInferRequest in bytes, without more parts than it may have; the call gets its id. Raises RequestError
    400.
    """
    message = parse_message(data, Request)
    call.message_id = message.id
    check_counts(message)  # here, because the message should not wait for anything if it takes so much memory
    return message
