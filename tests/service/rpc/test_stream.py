"""Streams: each request is answered on its own, in the order of the requests."""

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.bundle import Bundle
from tests.service.faulty_engine import FaultyEngines
from tests.service.rpc.served import Code, Served, pb, raw, refused, request, serve, tensor
from tests.service.rpc.test_inference import SECONDS, outcome
from tests.service.served_app import GOLDEN, settings
from tests.service.wait import wait_until

MAX_AHEAD: int = pytest.importorskip("service.rpc.stream").MAX_AHEAD


def until_none(requests: "queue.Queue[Any]") -> Iterator[Any]:
    """The requests of a queue, up to a None."""
    return iter(lambda: requests.get(timeout=SECONDS), None)


def test_a_stream_answers_each_request_and_an_error_does_not_end_it(served: Served) -> None:
    requests = [request(id="1"), request(id="2", raw_inputs=(raw(b"hello"),)), request(id="3", model_name="other")]
    answers = list(served.stub.ModelStreamInfer(iter([*requests, request(id="4")])))
    assert [answer.infer_response.id for answer in answers] == ["1", "2", "3", "4"]
    assert [bool(answer.error_message) for answer in answers] == [False, True, True, False]
    assert "not an image" in answers[1].error_message
    assert answers[2].error_message == "no model has that name; there are tiny"
    assert all(answers[place].infer_response.parameters["triton_final_response"].bool_param for place in (0, 3))
    assert answers[3].infer_response.raw_output_contents == answers[0].infer_response.raw_output_contents


def test_an_empty_stream_ends_well(served: Served) -> None:
    assert list(served.stub.ModelStreamInfer(iter([]))) == []


def test_a_message_that_is_no_request_is_an_error_of_its_own(served: Served) -> None:
    call = served.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
    first, second = call(iter([b"\xff\xff", request().SerializeToString()]))
    assert "is no ModelInferRequest" in pb.ModelStreamInferResponse.FromString(first).error_message
    assert not pb.ModelStreamInferResponse.FromString(second).error_message


def test_several_requests_of_a_stream_are_in_the_server_at_once_and_keep_their_order(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        engine.may_run.clear()
        server = served.app.state.server
        bad = request(id="bad", raw_inputs=(raw(b"hello"),))
        count = MAX_AHEAD + 8
        sent = [bad if place == 3 else request(id=str(place)) for place in range(count)]
        answers = served.stub.ModelStreamInfer(iter(sent))
        wait_until(lambda: server.num_requests == MAX_AHEAD - 1)  # the bad one is answered, and waits for the others
        engine.may_run.set()
        assert [answer.infer_response.id for answer in answers] == [message.id for message in sent]


def test_a_refused_request_is_an_error_with_the_reason(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, max_requests=1, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        engine.may_run.clear()
        engine.has_begun.clear()
        answers = served.stub.ModelStreamInfer(iter([request(), request()]))
        refusals = outcome(served, "refused")
        wait_until(lambda: refusals() == 1)
        engine.may_run.set()
        assert ["requests are being answered" in answer.error_message for answer in answers] == [False, True]


def test_a_server_with_too_many_streams_refuses_the_next_one(tiny_bundle: Bundle) -> None:
    with serve(settings(tiny_bundle.path, max_requests=1, grpc_port=0)) as served:
        requests: queue.Queue[Any] = queue.Queue()
        first = served.stub.ModelStreamInfer(until_none(requests))
        requests.put(request())
        assert not next(first).error_message
        other = served.stub.ModelStreamInfer
        error = refused(Code.UNAVAILABLE, lambda: list(other(iter([request()]))))
        assert "1 streams are open" in error.details()
        requests.put(None)
        assert list(first) == []


def test_a_stream_without_a_valid_key_takes_no_place(tiny_bundle: Bundle, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("alice a-secret\n")
    with serve(settings(tiny_bundle.path, api_keys_file=keys, max_requests=1, grpc_port=0)) as served:
        requests: queue.Queue[Any] = queue.Queue()
        stream = served.stub.ModelStreamInfer
        for metadata in ([], [("x-api-key", "wrong")]):
            error = refused(Code.UNAUTHENTICATED, next, stream(until_none(requests), metadata=metadata))
            assert error.details().startswith("a valid API key")
        assert outcome(served, "client_error", model="", version="")() == 2
        (answer,) = stream(iter([request()]), metadata=[("x-api-key", "a-secret")])
        assert not answer.error_message
        for _ in range(2):
            requests.put(None)


def test_the_images_of_a_departed_stream_are_not_run(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    with serve(settings(tiny_bundle.path, engine_streams=1, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        engine.may_run.clear()
        engine.has_begun.clear()
        gave_up = outcome(served, "gave_up")
        answers = served.stub.ModelStreamInfer(iter([request() for _ in range(5)]))
        wait_until(lambda: served.app.state.server.num_requests == 5)
        answers.cancel()
        wait_until(lambda: gave_up() == 5)
        assert served.app.state.server.num_requests == 0
        engine.may_run.set()


def test_a_draining_server_answers_what_it_has_read_and_ends_the_stream(tiny_bundle: Bundle) -> None:
    engines = FaultyEngines()
    requests: queue.Queue[Any] = queue.Queue()
    with serve(settings(tiny_bundle.path, grpc_port=0), engines) as served:
        (engine,) = engines.opened
        engine.may_run.clear()
        answers = served.stub.ModelStreamInfer(until_none(requests))
        for _ in range(3):
            requests.put(request())
        server = served.app.state.server
        wait_until(lambda: server.num_requests == 3)
        served.live.stop()
        wait_until(lambda: server.is_draining)
        engine.may_run.set()
        assert [next(answers).error_message for _ in range(3)] == [""] * 3
        error = refused(Code.UNAVAILABLE, lambda: next(answers))
        assert "shutting down" in error.details()
        requests.put(None)


@pytest.mark.parametrize("num_files", [1, 3])
def test_the_images_of_one_request_are_answered_together(served: Served, num_files: int) -> None:
    sent = request(tensor(shape=(num_files,)), raw_inputs=(raw(*[GOLDEN] * num_files),))
    (answer,) = served.stub.ModelStreamInfer(iter([sent]))
    assert list(answer.infer_response.outputs[0].shape) == [num_files, 2, 4]
