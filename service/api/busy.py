"""Refuses detect requests from their head, before they cost the event loop anything else."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.api.cors import Origins
from service.api.deadline import seconds_of
from service.api.detect_routes import DETECT, route_of
from service.api.patience import Patience
from service.api.problems import Problem, raw_answer, retry_after
from service.api.request_context import id_of
from service.api.request_log import RequestLog, fields_of_request
from service.repository.served_model import MIN_OBJECTIVE_SECONDS
from service.scheduling.admission import Promises, RejectedError
from service.scheduling.loop_lag import LoopLag
from service.telemetry.logs import request_id
from service.telemetry.metrics import Metrics
from service.telemetry.model_metrics import ModelMetrics

LAG_SHARE = 0.08  # of a request's time: it passes the loop twice before admission, which predicts the rest
MAX_LAG_SECONDS = LAG_SHARE * MIN_OBJECTIVE_SECONDS  # for a request without much time
REFUSING_SECONDS = 1.0  # after a refusal, others are likely
REQUEST_SECONDS = 0.002  # that a request takes the loop: the refused ones should return one after the other
DETAIL = "it gets more requests than it can read in time"
Headers = Sequence[tuple[bytes, bytes]]  # the names in lower case


@dataclass(frozen=True)
class Refusal:
    """The answer to a refused request, and the seconds for which it should be held back."""

    problem: Problem
    request_id: str
    route: str
    hold_seconds: float

    def answer(self, *, closes: bool) -> bytes:
        """The whole answer in bytes; `closes` if the connection is closed after it."""
        return raw_answer(self.problem, self.request_id, closes=closes, path=self.route)


class BusyRefusals:
    """Makes the whole answer to a request from its head; it costs less than a tenth of any other answer.

    A request is refused if the event loop is late, or if the default model, which it asks for, would answer late. A
    refusal comes before keys and rates are checked. It is in the metrics and in the log, but not in the traces.

    `check` raises RejectedError if the default model should refuse a request with this timeout in seconds, None if
    the client sent none. `objective_seconds` gives the time of a request without a timeout, and `default_metrics` the
    metrics of the default model.
    """

    def __init__(
        self,
        metrics: Metrics,
        lag: LoopLag,
        check: Callable[[float | None], None] = lambda _: None,
        objective_seconds: Callable[[], float] = lambda: MIN_OBJECTIVE_SECONDS,
        default_metrics: Callable[[], ModelMetrics] | None = None,
        log: RequestLog | None = None,
        origins: Origins | None = None,
    ) -> None:
        self._lag = lag
        self._objective_seconds = objective_seconds
        self._check = check
        self._promises = Promises()
        self._log = log or RequestLog()
        self._origins = origins
        self._no_model = metrics.no_model
        self._default_metrics = default_metrics or (lambda: metrics.no_model)
        self._refused_at = -math.inf  # the last refusal (time.monotonic())

    @property
    def is_refusing(self) -> bool:
        """Whether a request was refused a moment ago, so that it pays to read heads in the cheapest way."""
        return time.monotonic() - self._refused_at < REFUSING_SECONDS

    def refuse(
        self, method: bytes, url: bytes, headers: Headers, client: object, patience: Patience, *, closes: bool
    ) -> Refusal | None:
        """The refusal of a request with this head; None if it should not be refused.

        `patience` is that of the connection, and `closes` if the connection is closed after the answer.
        """
        if method != b"POST":
            return None
        path, _, query = url.partition(b"?")
        route = route_of(path)
        if route is None:
            return None
        start = time.monotonic()
        firsts = dict(reversed(headers))  # the first of several headers of the same name
        error = self._reason(route, query, firsts.get(b"x-request-timeout-ms"))
        if error is None:
            return None
        if patience.is_early(start):
            error.withdraw()
        self._refused_at = start
        own_id = id_of(firsts.get(b"x-request-id", b"").decode("latin-1"))
        problem_headers = retry_after(error.retry_after_seconds)
        if self._origins is not None:
            problem_headers |= self._origins.headers_for(firsts.get(b"origin", b"").decode("latin-1"))
        problem = Problem(503, f"the server is busy: {error}", problem_headers)
        hold_seconds = 0.0 if closes else patience.refuse(start, error.retry_after_seconds)
        seconds = self._lag.predict() + time.monotonic() - start + hold_seconds
        model = self._no_model if error.reason == "busy" else self._default_metrics()
        model.observe_request(route, 503, seconds, "refused")

        def fields() -> dict[str, object]:
            line = fields_of_request("POST", path.decode("latin-1"), route, 503, seconds, client)
            line |= {"model": model.name, "version": model.version}
            return line | {"reason": error.reason, "detail": problem.detail}

        token = request_id.set(own_id)
        self._log.write("refused", fields)
        request_id.reset(token)
        return Refusal(problem, own_id, route, hold_seconds)

    def check_lag(self, timeout: float | None) -> None:
        """Raise RejectedError if the event loop is late for a request with this timeout in seconds, None if it has
        none.
        """
        lag = self._lag.predict()
        if lag < MAX_LAG_SECONDS:
            return
        objective_seconds = self._objective_seconds() if timeout is None else timeout
        if lag >= max(MAX_LAG_SECONDS, LAG_SHARE * objective_seconds):
            self._no_model.rejected["busy"].inc()
            wait_seconds = self._promises.next_seconds(time.monotonic(), lag, REQUEST_SECONDS)
            raise RejectedError("busy", DETAIL, wait_seconds, self._promises.withdraw)

    def _reason(self, route: str, query: bytes, timeout: bytes | None) -> RejectedError | None:
        has_seconds = None if timeout is None else seconds_of(timeout.decode("latin-1"))
        names_model = b"model=" in query or b"%" in query  # perhaps in an encoded form
        is_of_handler = route != DETECT or names_model or (timeout is not None and has_seconds is None)
        try:
            self.check_lag(has_seconds)
            if not is_of_handler:
                self._check(has_seconds)
        except RejectedError as error:
            return error
        return None
