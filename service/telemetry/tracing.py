"""OpenTelemetry traces: a span for each request with one for each stage of each image, sent where `otlp_endpoint` says.

OpenTelemetry is an optional dependency (`pip install .[trace]`), and nothing of it is imported unless it is used.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor


class TracingError(Exception):
    """Traces cannot be sent; the message says why and what to do."""


class Stage(NamedTuple):
    """A step of an image's way; times in seconds of time.monotonic()."""

    name: str
    start: float
    seconds: float


class Tracing:
    """Turns finished requests into spans. A client's own trace (header traceparent) goes on in them."""

    def __init__(self, processor: "SpanProcessor") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = TracerProvider(resource=Resource.create({"service.name": "singleshot"}))
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("singleshot")
        self._propagator = TraceContextTextMapPropagator()
        self._kind = SpanKind.SERVER
        self._in_context = set_span_in_context

    def record(
        self,
        name: str,
        interval: tuple[int, int],
        attributes: Mapping[str, str | int],
        carrier: Mapping[str, str],
        stages: Iterable[Stage],
        monotonic_offset: int,
    ) -> None:
        """A request over `interval` in ns since 1970; monotonic_offset is that clock less time.monotonic(), in ns."""
        begin, end = interval
        parent = self._propagator.extract(carrier)
        span = self._tracer.start_span(name, parent, self._kind, dict(attributes), start_time=begin)
        for stage in stages:
            start = monotonic_offset + round(stage.start * 1e9)
            child = self._tracer.start_span(stage.name, self._in_context(span), start_time=start)
            child.end(start + round(stage.seconds * 1e9))
        span.end(end)

    def close(self) -> None:
        """Send what has not been sent."""
        self._provider.shutdown()


def open_tracing(endpoint: str | None) -> Tracing | None:
    """Traces to an OTLP endpoint over HTTP, e.g. http://collector:4318; None where it is not set. Raises TracingError."""
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        message = "OpenTelemetry is not installed; install it with `pip install .[trace]` or unset the OTLP endpoint"
        raise TracingError(message) from error
    return Tracing(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
