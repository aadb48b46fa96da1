"""Enters each answered request, of either protocol, in metrics, log and trace."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from service.api.detect_routes import DETECT_ROUTES, outcome_of
from service.api.request_log import RequestLog, fields_of_request
from service.api.request_record import RequestRecord
from service.api.responses import stages_of
from service.telemetry.metrics import Metrics
from service.telemetry.model_metrics import GRPC, HTTP
from service.telemetry.tracing import Tracing


@dataclass(frozen=True, slots=True)
class Arrival:
    """What was known of a request when it arrived, at `start` (time.monotonic()).

    `method` and `path` are those of HTTP; gRPC has them too. `route` is that of HTTP for the same operation, so that it
    is counted once in all. `client` is the address, and `headers` gives what may hold the trace of the client.
    """

    protocol: str
    method: str
    path: str
    route: str
    client: str | None
    request_id: str
    start: float
    headers: Callable[[], Mapping[str, str]]

    @property
    def is_detect(self) -> bool:
        """Whether the request asks for detections."""
        return self.route in DETECT_ROUTES and self.method == "POST"


class RequestJournal:
    """Enters requests when they are answered. One without a timeout of its own is slow after `slow_seconds`."""

    def __init__(self, metrics: Metrics, log: RequestLog, slow_seconds: float, tracing: Tracing | None) -> None:
        self._metrics = metrics
        self._log = log
        self._slow_seconds = slow_seconds
        self._tracing = tracing

    def enter(self, arrival: Arrival, record: RequestRecord, code: int) -> None:
        """The request is answered now with this status of HTTP, which is 0 if there was no answer."""
        now = time.monotonic()
        seconds = now - arrival.start
        is_detect = arrival.is_detect
        is_slow = is_detect and record.is_slow(arrival.start, now, self._slow_seconds)
        outcome = outcome_of(code, is_slow=is_slow) if is_detect else ""
        trace_id = self._trace(arrival, record, code, now) if self._tracing is not None else ""
        metrics = self._metrics.no_model if record.model is None else record.model.metrics
        exemplar = {"trace_id": trace_id} if trace_id else None
        metrics.observe_request(arrival.route, code, seconds, outcome, exemplar, arrival.protocol)
        if is_detect or code >= 400:  # not the questions of a proxy or of Prometheus, which come every second

            def fields() -> dict[str, object]:
                line = fields_of_request(arrival.method, arrival.path, arrival.route, code, seconds, arrival.client)
                line |= {"protocol": GRPC} if arrival.protocol == GRPC else {}
                return line | record.fields() | ({"trace_id": trace_id} if trace_id else {})

            self._log.write(outcome or f"status {code}", fields)

    def _trace(self, arrival: Arrival, record: RequestRecord, code: int, now: float) -> str:
        """Record the request as a span -> the id of its trace."""
        assert self._tracing is not None
        offset = time.time_ns() - round(time.monotonic() * 1e9)
        begin = offset + round(arrival.start * 1e9)
        attributes: dict[str, str | int] = {
            "http.request.method": arrival.method,
            "http.route": arrival.route,
            "http.response.status_code": code,
            "singleshot.request_id": arrival.request_id,
        }
        name = f"{arrival.method} {arrival.route}"
        if arrival.protocol != HTTP:
            name = arrival.path[1:]
            rpc_service, _, method = name.partition("/")
            attributes |= {"rpc.system": arrival.protocol, "rpc.service": rpc_service, "rpc.method": method}
        if record.model is not None:
            attributes |= {"singleshot.model": record.model.name, "singleshot.version": record.model.version}
        if record.num_views:
            attributes["singleshot.views"] = record.num_views
        interval = begin, begin + round((now - arrival.start) * 1e9)
        return self._tracing.record(name, interval, attributes, arrival.headers(), stages_of(record.outcomes), offset)
