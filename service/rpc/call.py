"""One call: what its client has sent beside the message, its entry in metrics, log and trace, and its status."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc

from service.api.deadline import MAX_TIMEOUT_MS
from service.api.detect_routes import CLIENT_DISCONNECTED
from service.api.patience import REFUSED
from service.api.problems import ANSWERED_ERRORS, Problem, RequestError, problem_of, reason_of
from service.api.request_context import id_of
from service.api.request_journal import Arrival
from service.api.request_record import RequestRecord
from service.api.state import ServerState
from service.rpc.messages import Message
from service.rpc.patience import Patiences
from service.rpc.statuses import STATUSES, details_of, trailing_metadata
from service.telemetry.logs import request_id
from service.telemetry.model_metrics import GRPC

logger = logging.getLogger("singleshot")
MIN_TIMEOUT_SECONDS = 0.001
DEADLINE_SECONDS = 0.01  # the deadlines of the client and of the server differ by the time that a message takes
FAILED = Problem(500, "the server failed; its log has the cause under the id of the request")
Context = Any  # grpc.aio.ServicerContext, whose types are incomplete
Work = Callable[["Call"], Awaitable[Message]]


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


class Calls:
    """Answers calls; `num_open` are in the server."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._patiences = Patiences()
        self.num_open = 0
        self._are_cut = False

    async def answer(self, call: Call, work: Work) -> bytes:
        """Do the work of a call -> the answer in bytes. An error ends the call with its status instead."""
        try:
            answer = await self.observe(call, work)
        except ANSWERED_ERRORS as error:
            problem = problem_of(error)
        except CallFailedError:
            problem = FAILED
        else:
            self.accept(call)
            call.context.set_trailing_metadata(trailing_metadata(call.request_id))
            return bytes(answer.SerializeToString())
        await self.hold_back(call, problem)
        return await self.abort(call, problem)

    async def abort(self, call: Call, problem: Problem) -> NoReturn:
        """End the call with the status of a problem; raises the error by which gRPC knows."""
        metadata = trailing_metadata(call.request_id, problem)
        await call.context.abort(STATUSES[problem.status], details_of(problem), metadata)
        raise AssertionError("`abort` has returned")

    def accept(self, call: Call) -> None:
        """A call is answered without a refusal."""
        self._patiences.accept(call.peer)

    async def hold_back(self, call: Call, problem: Problem) -> None:
        """Wait before an answer that is a refusal, if the client of the connection has not waited."""
        if problem.status not in REFUSED or self._server.is_draining:
            return
        hold_seconds = self._patiences.refuse(call.peer, float(problem.headers.get("Retry-After-Ms", "0")) / 1000)
        if hold_seconds:
            self._server.lag.num_held += 1
            try:
                await asyncio.sleep(hold_seconds)
            finally:
                self._server.lag.num_held -= 1

    async def observe(self, call: Call, work: Work) -> Message:
        """Do the work and enter the call in metrics, log and trace -> the answer.

        Raises ANSWERED_ERRORS, and CallFailedError after any other error, which is logged.
        """
        token = request_id.set(call.request_id)
        self.num_open += 1
        code = 0
        try:
            answer = await work(call)
            code = 200
            return answer
        except ANSWERED_ERRORS as error:
            problem = problem_of(error)
            code = problem.status
            call.record.reason, call.record.detail = reason_of(error), problem.detail
            raise
        except asyncio.CancelledError:
            code = self._code_of_end(call)
            raise
        except Exception as error:
            code = FAILED.status
            logger.exception("the request failed")
            raise CallFailedError from error
        finally:
            self.num_open -= 1
            self._server.journal.enter(call.arrival(), call.record, code)
            request_id.reset(token)

    def cut(self) -> None:
        """The calls that are left will be cancelled, because the server ends."""
        self._are_cut = True

    def _code_of_end(self, call: Call) -> int:
        """The status of a call that gRPC has cancelled."""
        if call.is_late:
            model = call.record.model
            (self._server.metrics.no_model if model is None else model.metrics).rejected["expired"].inc()
            call.record.reason = "expired"
            return 504
        return 0 if self._are_cut else CLIENT_DISCONNECTED


class CallFailedError(Exception):
    """The work of a call raised an error that no client should see; the log has it."""


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
