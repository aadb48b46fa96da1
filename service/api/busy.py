"""Refuses detect requests while the event loop is late, before they cost it anything else."""

import logging
import random
import time
from collections.abc import Iterable

from prometheus_client import Counter, Histogram
from pydantic_core import to_json

from service.api.problems import PROBLEM_JSON, Problem, retry_after
from service.api.request_context import ACCEPTED_ID
from service.scheduling.admission import Promises
from service.scheduling.loop_lag import LoopLag
from service.telemetry.logs import request_id
from service.telemetry.metrics import Metrics

logger = logging.getLogger("singleshot")

MAX_LAG_SECONDS = 0.012  # a request passes the loop about five times, so that half of the smallest objective is left
REQUEST_SECONDS = 0.002  # that a request takes the loop: the refused ones should return one after the other
DETECT, INFER, VERSION_INFER = "/detect", "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"
DETAIL = "the server is busy: it gets more requests than it can read in time"


class BusyRefusals:
    """Makes the whole answer to a request from its head; it costs less than a tenth of any other answer.

    A refusal comes before keys and rates are checked. It is in the metrics and in the log, but not in the traces.
    """

    def __init__(self, metrics: Metrics, lag: LoopLag) -> None:
        self._lag = lag
        self._promises = Promises()
        self._metrics = metrics
        self._answers: dict[tuple[str, bool], tuple[bytes, int, Counter, Histogram]] = {}

    def answer(
        self, method: bytes, url: bytes, headers: Iterable[tuple[bytes, bytes]], client: object, *, closes: bool
    ) -> bytes | None:
        """The refusal of a request with this head; None if it should not be refused.

        The names of the headers are in lower case; `closes` if the connection is closed after the answer.
        """
        lag = self._lag.predict()
        if lag < MAX_LAG_SECONDS or method != b"POST":
            return None
        path = url.partition(b"?")[0]
        route = route_of(path)
        if route is None:
            return None
        answer = self._answers.get((route, closes))
        if answer is None:  # a series of the metrics appears when it is first counted
            rejected, duration = (
                self._metrics.rejected.labels("busy"),
                self._metrics.request_duration.labels(route, 503),
            )
            answer = *template_of(has_error=route != DETECT, closes=closes), rejected, duration
            self._answers[route, closes] = answer
        template, length, rejected, duration = answer
        rejected.inc()
        duration.observe(lag)
        own_id = id_of(headers)
        wait_seconds = self._promises.next_seconds(time.monotonic(), lag, REQUEST_SECONDS)
        if logger.isEnabledFor(logging.INFO):
            token = request_id.set(own_id.decode())
            fields = {"method": "POST", "path": path.decode("latin-1"), "status": 503, "ms": round(1000 * lag, 2)}
            logger.info("request", extra={**fields, "client": client})
            request_id.reset(token)
        wait = retry_after(wait_seconds)
        seconds, milliseconds = wait["Retry-After"].encode(), wait["Retry-After-Ms"].encode()
        return template % (length + len(own_id), own_id, seconds, milliseconds, own_id)


def route_of(path: bytes) -> str | None:
    """The route of a detect request; None for another one."""
    if path == b"/detect":
        return DETECT
    if path.startswith(b"/v2/models/") and path.endswith(b"/infer"):
        return VERSION_INFER if b"/versions/" in path else INFER
    return None


def id_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The X-Request-Id of the client if it is a short plain word, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and ACCEPTED_ID.fullmatch(value.decode("latin-1")):
            return value
    return b"%032x" % random.getrandbits(128)


def template_of(*, has_error: bool, closes: bool) -> tuple[bytes, int]:
    """The head and the body of the answer, and the length of the body without the id.

    The template has places for the length of the body, the id, Retry-After, Retry-After-Ms, and the id again.
    """
    fields = {"type": "about:blank", **Problem(503, DETAIL).as_json(), **({"error": DETAIL} if has_error else {})}
    start = to_json(fields)[:-1] + b',"request_id":"'
    lines = [
        b"HTTP/1.1 503 Service Unavailable",
        b"content-type: " + PROBLEM_JSON.encode(),
        b"content-length: %d",
        b"x-request-id: %b",
        b"retry-after: %b",
        b"retry-after-ms: %b",
        *([b"connection: close"] if closes else []),
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + start + b'%b"}', len(start) + 2
