"""Gives every request an id, an entry in metrics, log and trace, and a 500 if it raises an unexpected error."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Callable, Iterable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.patience import REFUSED, Patience
from service.api.problems import SERVER_FAILED, RequestError, problem_response
from service.api.request_journal import Arrival, RequestJournal
from service.api.request_record import RequestRecord
from service.scheduling.loop_lag import LoopLag
from service.telemetry.logs import request_id
from service.telemetry.model_metrics import HTTP

logger = logging.getLogger("singleshot")
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def id_of(sent: str) -> str:
    """The id of a request: the X-Request-Id that the client has sent, if it is a short plain word, else a new one."""
    # not of uuid4: reading the system's random numbers gives the interpreter lock away
    return sent if ACCEPTED_ID.fullmatch(sent) else f"{random.getrandbits(128):032x}"


class RequestContext:
    """ASGI middleware. It keeps the X-Request-Id of a client if that is a short plain word.

    An answer names the model that it concerns. While the server drains, each response closes its connection, so that
    the client connects to another server.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        journal: RequestJournal,
        lag: LoopLag,
        is_draining: Callable[[], bool],
    ) -> None:
        self._app = app
        self._journal = journal
        self._lag = lag
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.monotonic()
        sent_ids = [value for name, value in scope["headers"] if name == b"x-request-id"]
        own_id = id_of(sent_ids[0].decode("latin-1") if sent_ids else "")
        record = RequestRecord()
        scope.setdefault("state", {}).update(request_id=own_id, record=record)
        token = request_id.set(own_id)
        code = 0

        async def send_with_id(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                headers = [*message["headers"], (b"x-request-id", own_id.encode("ascii"))]
                if record.model is not None:
                    headers += record.model.headers
                await self._hold_back(scope["state"].get("patience"), code, message["headers"])
                if self._is_draining():
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("the request failed")
            if code:
                raise
            problem = RequestError(500, SERVER_FAILED)
            await problem_response(problem, scope)(scope, receive, send_with_id)
        finally:
            self._enter(scope, record, code, start)
            request_id.reset(token)

    async def _hold_back(self, patience: Patience | None, code: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Wait before an answer that is a refusal, if the client of the connection has not waited."""
        if patience is None:  # another server than ours
            return
        if code not in REFUSED:
            patience.accept()
            return
        retry_ms = next((float(value) for name, value in headers if name == b"retry-after-ms"), 0.0)
        hold_seconds = patience.refuse(time.monotonic(), retry_ms / 1000)
        if hold_seconds and not self._is_draining():
            self._lag.num_held += 1
            try:
                await asyncio.sleep(hold_seconds)
            finally:
                self._lag.num_held -= 1

    def _enter(self, scope: Scope, record: RequestRecord, code: int, start: float) -> None:
        """Enter the request in the journal."""
        client = scope.get("client")
        arrival = Arrival(
            protocol=HTTP,
            method=scope["method"],
            path=scope["path"],
            route=getattr(scope.get("route"), "path", "none"),
            client=client[0] if client else None,
            request_id=scope["state"]["request_id"],
            start=start,
            headers=lambda: Headers(scope=scope),
        )
        self._journal.enter(arrival, record, code)
