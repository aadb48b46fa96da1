"""Traces as a collector receives them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from service.telemetry.tracing import Stage, Tracing, open_tracing
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, settings

pytest.importorskip("opentelemetry.sdk")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """An OTLP collector on a free port -> its address, and the spans that it has received."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", spans
        finally:
            server.shutdown()
            thread.join()


def test_a_request_and_its_stages_are_spans_of_the_clients_trace(tiny_bundle: Bundle) -> None:
    trace_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with collector() as (address, spans):
        with AsgiClient(create_app(settings(tiny_bundle.path, otlp_endpoint=address))) as client:
            headers = {"traceparent": f"00-{trace_id}-{parent_id}-01", "X-Request-Id": "mine"}
            assert client.post("/detect", content=GOLDEN, headers=headers).status_code == 200
            openmetrics = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"}).text
        by_name = {span.name: span for span in spans}
    request = by_name["POST /detect"]
    assert request.trace_id.hex() == trace_id
    (bucket,) = [line for line in openmetrics.splitlines() if "_bucket" in line and "# {" in line and "/detect" in line]
    assert f'# {{trace_id="{trace_id}"}}' in bucket
    assert request.parent_span_id.hex() == parent_id
    attributes = {item.key: item.value.string_value or item.value.int_value for item in request.attributes}
    assert attributes["http.response.status_code"] == 200
    assert attributes["singleshot.request_id"] == "mine"
    assert (attributes["singleshot.model"], attributes["singleshot.version"]) == ("tiny", "1")
    stages = [by_name[name] for name in ("decode", "queue", "infer", "postprocess")]
    assert all(stage.parent_span_id == request.span_id for stage in stages)
    starts = [stage.start_time_unix_nano for stage in stages]
    assert starts == sorted(starts)
    assert request.start_time_unix_nano <= starts[0]
    assert stages[-1].end_time_unix_nano <= request.end_time_unix_nano


def test_the_span_of_a_request_has_the_number_of_views_of_its_tiled_images(tiny_bundle: Bundle) -> None:
    with (
        collector() as (address, spans),
        AsgiClient(create_app(settings(tiny_bundle.path, otlp_endpoint=address))) as client,
    ):
        assert client.post("/detect?tile=32", content=GOLDEN).json()["results"][0]["views"] == 10
    (request,) = [span for span in spans if span.name == "POST /detect"]
    assert {item.key: item.value.int_value for item in request.attributes}["singleshot.views"] == 10
    assert [span.name for span in spans].count("infer") == 1


def test_without_an_endpoint_there_is_no_tracing() -> None:
    assert open_tracing(None) is None


def test_a_request_without_a_trace_starts_one() -> None:
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    tracing = Tracing(SimpleSpanProcessor(exporter))
    tracing.record("GET /", (1_000, 9_000), {"a": 1}, {}, [Stage("decode", 2e-6, 3e-6)], 0)
    stage, request = exporter.get_finished_spans()
    assert request.parent is None
    assert (stage.start_time, stage.end_time) == (2_000, 5_000)
    tracing.close()
