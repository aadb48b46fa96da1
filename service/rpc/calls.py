"""Answers calls: each has an entry in metrics, log and trace, and a status."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from service.api.detect_routes import CLIENT_DISCONNECTED
from service.api.patience import REFUSED
from service.api.problems import ANSWERED_ERRORS, SERVER_FAILED, Problem, problem_of, reason_of
from service.api.state import ROOM_SECONDS, ServerState
from service.rpc.call import Call
from service.rpc.messages import Message
from service.rpc.patience import Patiences
from service.rpc.statuses import STATUSES, details_of, trailing_metadata
from service.scheduling.admission import RejectedError
from service.telemetry.logs import request_id

logger = logging.getLogger("singleshot")
MAX_READING = 32  # small messages that are on their way at once; a client may make one as large as any other
FAILED = Problem(500, SERVER_FAILED)
Work = Callable[[Call], Awaitable[Message]]


class Calls:
    """Answers calls; `num_open` are in the server, without those whose refusal is held back."""

    def __init__(self, server: ServerState) -> None:
        self._server = server
        self._patiences = Patiences()
        self.num_open = 0
        self._are_cut = False
        self._num_reading = 0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count a small message that is on its way, which needs no key and no place among the requests.

        Raises RejectedError if there are too many.
        """
        if self._num_reading >= MAX_READING:
            self._server.metrics.no_model.rejected["requests"].inc()
            raise RejectedError("requests", f"{self._num_reading} messages are on their way", ROOM_SECONDS)
        self._num_reading += 1
        try:
            yield
        finally:
            self._num_reading -= 1

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
            await asyncio.sleep(hold_seconds)

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
