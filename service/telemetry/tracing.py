"""OpenTelemetry traces: a span for each request and, inside it, one for each stage of each image.

OpenTelemetry is an optional dependency (`pip install .[trace]`), which is imported only if `otlp_endpoint` is set.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor


class TracingError(Exception):
    """Traces cannot be sent; the message gives the reason and the remedy."""


class Stage(NamedTuple):
    """A stage of an image; `start` and `seconds` are in seconds of time.monotonic()."""

    name: str
    start: float
    seconds: float


class Tracing:
    """Turns finished requests into spans. They continue the trace of a client that sends the header traceparent."""

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
    ) -> str:
        """Record a request as a span -> the id of its trace in 32 hexadecimal digits.

        interval: its start and end in ns since 1970. monotonic_offset: that clock minus time.monotonic(), in ns.
        """
        begin, end = interval
        parent = self._propagator.extract(carrier)
        span = self._tracer.start_span(name, parent, self._kind, dict(attributes), start_time=begin)
        for stage in stages:
            start = monotonic_offset + round(stage.start * 1e9)
            child = self._tracer.start_span(stage.name, self._in_context(span), start_time=start)
            child.end(start + round(stage.seconds * 1e9))
        span.end(end)
        return f"{span.get_span_context().trace_id:032x}"

    def close(self) -> None:
        """Send the remaining spans."""
        self._provider.shutdown()


def open_tracing(endpoint: str | None) -> Tracing | None:
    """Traces to an OTLP endpoint over HTTP, e.g. http://collector:4318; None if it is not set. Raises TracingError."""
    if not endpoint:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        message = "OpenTelemetry is not installed; install it with `pip install .[trace]` or unset the OTLP endpoint"
        raise TracingError(message) from error
    return Tracing(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")))
