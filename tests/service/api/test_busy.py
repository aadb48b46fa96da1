"""The refusals of a server whose event loop is late."""

import logging
import time

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.api.busy import MAX_LAG_SECONDS, BusyRefusals
from service.api.patience import NUM_FREE, Patience
from service.api.schemas import ProblemDetails
from service.scheduling.admission import RejectedError
from service.scheduling.loop_lag import LoopLag
from service.telemetry.metrics import Metrics


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def refusals(metrics: Metrics, *, lag_seconds: float = 2 * MAX_LAG_SECONDS, num_requests: int = 100) -> BusyRefusals:
    """A server with so many requests, whose loop has been late by `lag_seconds` for a while."""
    lag = LoopLag()
    lag.count_requests = lambda: num_requests
    for _ in range(200):
        lag.learn(lag_seconds, num_requests)
    return BusyRefusals(metrics, lag)


def ask(busy: BusyRefusals, url: bytes, *headers: tuple[bytes, bytes], closes: bool = False) -> dict[str, str]:
    """The answer to POST -> its headers, with its body as `body` and its first line as `line`; checks its length."""
    refusal = busy.refuse(b"POST", url, headers, "192.0.2.1", Patience(), closes=closes)
    assert refusal is not None
    head, _, body = refusal.answer(closes=closes).partition(b"\r\n\r\n")
    line, *lines = head.decode().split("\r\n")
    found = dict(item.split(": ") for item in lines)
    assert int(found["content-length"]) == len(body)
    return {**found, "line": line, "body": body.decode()}


def test_a_refusal_is_a_problem_with_a_time_to_retry(metrics: Metrics) -> None:
    found = ask(refusals(metrics), b"/detect?model=tiny")
    assert found["line"] == "HTTP/1.1 503 Service Unavailable"
    assert found["content-type"] == "application/problem+json"
    assert int(found["retry-after"]) == 1
    assert int(found["retry-after-ms"]) >= 1000 * MAX_LAG_SECONDS
    details = ProblemDetails.model_validate_json(found["body"])
    assert (details.status, details.request_id) == (503, found["x-request-id"])
    assert "busy" in details.detail
    assert "connection" not in found


def test_a_triton_client_finds_the_detail_in_error(metrics: Metrics) -> None:
    assert '"error":"the server is busy' in ask(refusals(metrics), b"/v2/models/tiny/infer")["body"]


@pytest.mark.parametrize(("sent", "is_kept"), [(b"my-id", True), (b"a b", False), (b"x" * 65, False)])
def test_a_short_plain_id_of_the_client_is_kept(metrics: Metrics, sent: bytes, is_kept: bool) -> None:
    found = ask(refusals(metrics), b"/detect", (b"host", b"here"), (b"x-request-id", sent))
    assert (found["x-request-id"] == sent.decode()) == is_kept
    assert f'"request_id":"{found["x-request-id"]}"' in found["body"]


def test_a_connection_that_is_closed_says_so(metrics: Metrics) -> None:
    assert ask(refusals(metrics), b"/detect", closes=True)["connection"] == "close"


def test_refused_clients_should_return_one_after_the_other(metrics: Metrics) -> None:
    busy = refusals(metrics)
    returns_at = []  # in ms; the first refusal may be long ago when the last one is made
    for _ in range(100):
        told = int(ask(busy, b"/detect")["retry-after-ms"])
        returns_at.append(1000 * time.monotonic() + told)
    assert returns_at[-1] > returns_at[0] + 100


@pytest.mark.parametrize(
    ("method", "url"),
    [
        (b"GET", b"/healthz"),
        (b"GET", b"/detect"),
        (b"POST", b"/v2/repository/index"),
        (b"POST", b"/v2/models/tiny"),
        (b"POST", b"/other"),
    ],
)
def test_other_requests_are_not_refused(metrics: Metrics, method: bytes, url: bytes) -> None:
    assert refusals(metrics).refuse(method, url, [], "192.0.2.1", Patience(), closes=False) is None


@pytest.mark.parametrize(("lag_seconds", "num_requests"), [(0.5 * MAX_LAG_SECONDS, 100), (10.0, 5)])
def test_nothing_is_refused_by_a_loop_that_is_in_time_or_has_few_requests(
    metrics: Metrics, lag_seconds: float, num_requests: int
) -> None:
    busy = refusals(metrics, lag_seconds=lag_seconds, num_requests=num_requests)
    assert busy.refuse(b"POST", b"/detect", [], "192.0.2.1", Patience(), closes=False) is None


def test_refusals_are_counted_and_logged(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    busy = refusals(metrics)
    with caplog.at_level(logging.INFO, "singleshot"):
        ask(busy, b"/detect?score_threshold=0.1")
        ask(busy, b"/v2/models/tiny/versions/1/infer")
    text = generate_latest(metrics.registry).decode()
    assert 'singleshot_rejected_total{model="",reason="busy",version=""} 2.0' in text
    assert (
        'singleshot_request_duration_seconds_count{code="503",model="",protocol="http",route="/detect",version=""} 1.0'
        in text
    )
    assert 'route="/v2/models/{name}/versions/{version}/infer",version=""} 1.0' in text
    assert [vars(record)["path"] for record in caplog.records] == ["/detect", "/v2/models/tiny/versions/1/infer"]


def test_what_the_default_model_would_answer_late_is_refused_from_its_head() -> None:
    asked = []

    def check(timeout: float | None) -> None:
        asked.append(timeout)
        raise RejectedError("late", "the answer would take 3 s", 2.5)

    busy = BusyRefusals(Metrics(CollectorRegistry()), LoopLag(), check)
    told = ask(busy, b"/detect?nms=hard", (b"x-request-timeout-ms", b"400"), (b"x-request-id", b"mine"))
    assert (told["retry-after"], told["retry-after-ms"], told["x-request-id"]) == ("3", "2500", "mine")
    assert "the server is busy: the answer would take 3 s" in told["body"]
    ask(busy, b"/detect")
    assert asked == [0.4, None]


@pytest.mark.parametrize(
    ("url", "timeout"),
    [
        (b"/detect?model=other", b"400"),
        (b"/detect?m%6Fdel=other", b"400"),
        (b"/v2/models/tiny/infer", b"400"),
        (b"/detect", b"-1"),
        (b"/detect", b"0"),
    ],
)
def test_the_handler_decides_on_other_models_and_on_invalid_timeouts(url: bytes, timeout: bytes) -> None:
    def check(_: float | None) -> None:
        raise RejectedError("late", "late", 1.0)

    busy = BusyRefusals(Metrics(CollectorRegistry()), LoopLag(), check)
    assert (
        busy.refuse(b"POST", url, [(b"x-request-timeout-ms", timeout)], "192.0.2.1", Patience(), closes=False) is None
    )


def test_a_request_with_more_time_is_refused_at_a_longer_lag(metrics: Metrics) -> None:
    busy = refusals(metrics, lag_seconds=2 * MAX_LAG_SECONDS)
    ask(busy, b"/detect", (b"x-request-timeout-ms", b"100"))
    ask(busy, b"/detect", (b"x-request-timeout-ms", b"250"))
    patient = [(b"x-request-timeout-ms", b"20000")]
    assert busy.refuse(b"POST", b"/detect", patient, "192.0.2.1", Patience(), closes=False) is None


def test_a_client_that_does_not_wait_is_held_back_and_the_metrics_say_so(metrics: Metrics) -> None:
    busy, patience = refusals(metrics), Patience()
    holds = []
    for _ in range(NUM_FREE + 4):
        refusal = busy.refuse(b"POST", b"/detect", [], "192.0.2.1", patience, closes=False)
        assert refusal is not None
        holds.append(refusal.hold_seconds)
    assert holds == sorted(holds)
    assert (holds[NUM_FREE], holds[-1] > 0) == (0, True)
    seconds = metrics.registry.get_sample_value(
        "singleshot_request_duration_seconds_sum",
        {"code": "503", "route": "/detect", "model": "", "version": "", "protocol": "http"},
    )
    assert seconds is not None
    assert seconds >= sum(holds)


def test_a_client_that_does_not_wait_delays_no_other_one() -> None:
    """Its first refusal takes a place among the refused clients, and no later one."""
    withdrawn: list[bool] = []

    def check(_: float | None) -> None:
        raise RejectedError("late", "late", 10.0, lambda: withdrawn.append(True))

    busy, patience = BusyRefusals(Metrics(CollectorRegistry()), LoopLag(), check), Patience()
    for number in range(3):
        assert busy.refuse(b"POST", b"/detect", [], "192.0.2.1", patience, closes=False) is not None
        assert len(withdrawn) == number
