"""How calls of ModelInfer are admitted, refused, counted, traced and ended."""

import contextlib
import http.client
import logging
import queue
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.api.deadline import MAX_TIMEOUT_MS
from service.bundle import Bundle
from service.telemetry.tracing import Tracing
from tests.service.faulty_engine import FaultyEngines
from tests.service.rpc.served import Code, Served, grpc, pb, raw, refused, request, serve, trailing
from tests.service.served_app import GOLDEN, settings
from tests.service.wait import wait_until

SECONDS = 60


def counter(served: Served, name: str, **labels: str) -> Callable[[], float]:
    """The value of a metric of the model."""
    labels = {"model": "tiny", "version": "1", **labels}
    registry = served.app.state.server.metrics.registry
    return lambda: registry.get_sample_value(f"singleshot_{name}", labels) or 0.0


def outcome(served: Served, name: str, **labels: str) -> Callable[[], float]:
    return counter(served, "detect_requests_total", outcome=name, protocol="grpc", **labels)


def test_a_call_is_counted_in_its_protocol_under_the_route_of_http(served: Served) -> None:
    route = {"route": "/v2/models/{name}/infer", "code": "200"}
    counts = counter(served, "request_duration_seconds_count", protocol="grpc", **route)
    in_time, before = outcome(served, "in_time"), counts()
    in_time_before = in_time()
    served.stub.ModelInfer(request())
    wait_until(lambda: counts() == before + 1)
    assert in_time() == in_time_before + 1
    assert counter(served, "request_duration_seconds_count", protocol="http", **route)() == 0


def test_the_id_of_a_request_is_given_back_and_in_the_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "singleshot")
    _, call = served.stub.ModelInfer.with_call(request(), metadata=[("x-request-id", "a-1"), ("x-request-id", "b")])
    assert trailing(call)["x-request-id"] == "a-1"
    other = request(model_name="other")
    error = refused(Code.NOT_FOUND, served.stub.ModelInfer, other, metadata=[("x-request-id", "?")])
    assert len(trailing(error)["x-request-id"]) == 32
    first, second = ({**vars(record)} for record in caplog.records)
    assert first["event"] == second["event"] == "request"
    assert (first["outcome"], second["outcome"]) == ("in_time", "client_error")
    assert (first["protocol"], first["status"], first["client"]) == ("grpc", 200, "127.0.0.1")
    assert (first["images"], first["bytes"]) == (1, len(request().SerializeToString()))
    assert second["detail"] == error.details()


@pytest.mark.parametrize("value", [{"int64_param": 32}, {"string_param": "32"}])
def test_tiles_are_a_parameter(served: Served, caplog: pytest.LogCaptureFixture, value: dict[str, Any]) -> None:
    caplog.set_level(logging.INFO, "singleshot")
    message = request()
    message.parameters["tile"].CopyFrom(pb.InferParameter(**value))
    served.stub.ModelInfer(message)
    (line,) = (vars(record) for record in caplog.records)
    assert (line["images"], line["views"]) == (1, 10)


def test_a_call_continues_the_trace_of_its_client(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = pytest.importorskip("opentelemetry.sdk.trace.export")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    monkeypatch.setattr(served.app.state.server.journal, "_tracing", Tracing(sdk.SimpleSpanProcessor(exporter)))
    trace_id = "1" * 32
    served.stub.ModelInfer(request(), metadata=[("traceparent", f"00-{trace_id}-{'2' * 16}-01")])
    wait_until(lambda: bool(exporter.get_finished_spans()))
    spans: dict[str, Any] = {span.name: span for span in exporter.get_finished_spans()}
    span = spans["inference.GRPCInferenceService/ModelInfer"]
    assert f"{span.context.trace_id:032x}" == trace_id
    assert (span.attributes["rpc.system"], span.attributes["rpc.method"]) == ("grpc", "ModelInfer")
    assert {"decode", "infer"} <= spans.keys()


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
def test_a_key_in_the_metadata_is_needed_if_there_are_keys(tiny_bundle: Bundle, tmp_path: Path, name: str) -> None:
    keys = tmp_path / "keys"
    keys.write_text("alice a-secret\n")
    with serve(settings(tiny_bundle.path, api_keys_file=keys, grpc_port=0)) as served:
        stub = served.stub
        value = "Bearer {}" if name == "authorization" else "{}"
        assert stub.ModelInfer(request(), metadata=[(name, value.format("a-secret"))]).outputs
        for metadata in ([], [(name, value.format("wrong"))], [(f"{name}-bin", b"a-secret")]):
            assert "API key" in refused(Code.UNAUTHENTICATED, stub.ModelInfer, request(), metadata=metadata).details()
        refused(Code.UNAUTHENTICATED, stub.ModelMetadata, pb.ModelMetadataRequest(name="tiny"))
        stream = stub.ModelStreamInfer(iter([request()]), metadata=[(name, value.format("a-secret"))])
        assert not next(stream).error_message
        assert stub.ServerReady(pb.ServerReadyRequest()).ready


def test_a_client_above_its_rate_is_told_when_to_try_again(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, rate_limit=0.1, rate_burst=1, grpc_port=0)) as served:
        assert served.stub.ModelInfer(request()).outputs
        error = refused(Code.RESOURCE_EXHAUSTED, served.stub.ModelInfer, request())
        assert "more than 0.1 requests a second" in error.details()
        told = trailing(error)
        assert 0 < int(told["retry-after-ms"]) <= 10_000
        assert told["grpc-retry-pushback-ms"] == told["retry-after-ms"]


def test_a_server_with_too_many_requests_refuses_the_next_one(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, max_requests=1, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        engine.may_run.clear()
        engine.has_begun.clear()
        running = served.stub.ModelInfer.future(request())
        assert engine.has_begun.wait(SECONDS)
        error = refused(Code.UNAVAILABLE, served.stub.ModelInfer, request())
        assert "requests are being answered" in error.details()
        assert int(trailing(error)["retry-after-ms"]) > 0
        engine.may_run.set()
        assert running.result(SECONDS).outputs


def test_a_message_too_many_for_the_budget_is_refused(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, max_body_bytes_in_flight=1000, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        engine.may_run.clear()
        engine.has_begun.clear()
        running = served.stub.ModelInfer.future(request())
        assert engine.has_begun.wait(SECONDS)
        error = refused(Code.UNAVAILABLE, served.stub.ModelInfer, request(parameters=padding(1000)))
        assert "bytes" in error.details()
        engine.may_run.set()
        assert running.result(SECONDS).outputs


def test_a_large_message_counts_for_the_budget_before_its_model_is_known(tiny_bundle: Bundle) -> None:
    limits = settings(tiny_bundle.path, decode_threads=1, max_body_bytes_in_flight=2**21, grpc_port=0)
    with serve(limits) as served:
        server, may_go_on = served.app.state.server, threading.Event()
        busy = server.decoders.start(0, lambda: may_go_on.wait(SECONDS))
        large = request(parameters=padding(3 * 2**19))
        waiting = served.stub.ModelInfer.future(large)
        wait_until(lambda: server.bodies.num_bytes > 3 * 2**19)
        error = refused(Code.UNAVAILABLE, served.stub.ModelInfer, large)
        assert "bytes, " in error.details()
        may_go_on.set()
        assert busy.result(SECONDS)
        assert waiting.result(SECONDS).outputs
        wait_until(lambda: server.bodies.num_bytes == 0)


def padding(num_bytes: int) -> dict[str, Any]:
    return {"sequence_id": pb.InferParameter(string_param="x" * num_bytes)}


@pytest.mark.parametrize(
    ("parameters", "options"),
    [({}, {"timeout": 0.3}), ({"timeout": pb.InferParameter(int64_param=300_000)}, {})],
    ids=["the deadline of gRPC", "the parameter timeout"],
)
def test_an_image_is_not_run_after_the_deadline(
    tiny_bundle: Bundle, parameters: dict[str, Any], options: dict[str, float]
) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, engine_streams=1, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        batches, expired = counter(served, "batch_size_count"), outcome(served, "expired")
        rejected = counter(served, "rejected_total", reason="expired")
        engine.may_run.clear()
        engine.has_begun.clear()
        running = served.stub.ModelInfer.future(request())
        assert engine.has_begun.wait(SECONDS)
        before = batches()
        refused(Code.DEADLINE_EXCEEDED, served.stub.ModelInfer, request(parameters=parameters), **options)
        wait_until(lambda: expired() == rejected() == 1)
        engine.may_run.set()
        assert running.result(SECONDS).outputs
        assert served.stub.ModelInfer(request()).outputs
        assert batches() == before + 2


def test_a_deadline_far_away_is_as_good_as_the_longest(served: Served) -> None:
    assert served.stub.ModelInfer(request(), timeout=MAX_TIMEOUT_MS).outputs


def test_the_image_of_a_departed_client_is_not_run(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, engine_streams=1, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        batches, gave_up = counter(served, "batch_size_count"), outcome(served, "gave_up")
        in_flight = served.app.state.server
        engine.may_run.clear()
        engine.has_begun.clear()
        running = served.stub.ModelInfer.future(request())
        assert engine.has_begun.wait(SECONDS)
        before = batches()
        waiting = served.stub.ModelInfer.future(request())
        wait_until(lambda: in_flight.num_requests == 2)
        waiting.cancel()
        wait_until(lambda: gave_up() == 1)
        engine.may_run.set()
        assert running.result(SECONDS).outputs
        assert batches() == before + 1


def test_an_error_of_the_engine_is_internal_and_shows_no_trace(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, grpc_port=0), engines) as served:
        engines.opened[0].error = RuntimeError("a secret")
        assert "secret" not in refused(Code.INTERNAL, served.stub.ModelInfer, request()).details()
    caplog.clear()


def test_an_unexpected_error_is_internal_and_in_the_log(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("a secret")

    monkeypatch.setattr(served.app.state.server.repository, "choose", fail)
    error = refused(Code.INTERNAL, served.stub.ModelInfer, request())
    assert error.details() == "the server failed; its log has the cause under the id of the request"
    (answer,) = served.stub.ModelStreamInfer(iter([request()]))
    assert answer.error_message == error.details()
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True] * 2
    caplog.clear()


def test_a_message_that_is_too_large_is_refused(served: Served) -> None:
    error = refused(Code.RESOURCE_EXHAUSTED, served.stub.ModelInfer, request(raw_inputs=(raw(bytes(200_000)),)))
    assert "larger than max" in error.details()
    assert served.stub.ModelInfer(request()).outputs


def test_a_large_message_is_answered(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, grpc_port=0)) as served:
        assert served.stub.ModelInfer(request(parameters=padding(2**20))).outputs


def test_a_compressed_message_is_refused(served: Served) -> None:
    error = refused(Code.UNIMPLEMENTED, served.stub.ModelInfer, request(), compression=grpc.Compression.Gzip)
    assert "gzip" in error.details()


def test_a_message_that_does_not_come_is_waited_for_no_longer_than_the_settings_say(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, receive_seconds=0.05, grpc_port=0)) as served:
        call = served.channel.stream_unary("/inference.GRPCInferenceService/ModelInfer")
        requests: queue.Queue[bytes] = queue.Queue()
        error = refused(Code.DEADLINE_EXCEEDED, call, iter(requests.get, b""))
        requests.put(b"")
        assert "did not arrive within 0.05 s" in error.details()


def test_bytes_that_are_no_http2_do_no_harm(served: Served) -> None:
    host, _, port = served.live.address.rpartition(":")
    for garbage in (
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 999,
    ):
        with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
            connection.sendall(garbage)
            with contextlib.suppress(OSError):  # the server has closed it already
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(4096):
                    pass
    assert served.stub.ModelInfer(request()).outputs


def test_the_image_of_http_and_of_grpc_share_the_queue_and_the_metrics(served: Served) -> None:
    images = counter(served, "stage_duration_seconds_count", stage="postprocess")
    before = images()
    connection = http.client.HTTPConnection(served.live.http_address)
    connection.request("POST", "/detect", GOLDEN)
    assert connection.getresponse().status == 200
    connection.close()
    served.stub.ModelInfer(request())
    assert images() == before + 2
