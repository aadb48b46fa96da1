"""Around every request: its id, its duration in the metrics, and the last net under errors."""

import logging
import re
import time
import uuid
from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import RequestError, problem_response
from service.metrics import Metrics

logger = logging.getLogger("singleshot")
ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """ASGI middleware. A client's own X-Request-Id is kept where it is a short plain word.

    While the server drains, each answer asks its client to open the next connection elsewhere.
    """

    def __init__(self, app: ASGIApp, *, metrics: Metrics, is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._metrics = metrics
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        sent_id = Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if ACCEPTED_ID.fullmatch(sent_id) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        code = 0

        async def send_with_id(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                if self._is_draining():
                    headers["Connection"] = "close"
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("request %s failed", request_id)
            if code:
                raise
            problem = RequestError(500, "the server failed on this request; its log says more under the request's id")
            await problem_response(problem, scope)(scope, receive, send_with_id)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.request_duration.labels(route, code).observe(time.perf_counter() - start)
