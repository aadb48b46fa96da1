"""The tries of a request, step by step, without a connection and without waiting."""

import httpx
import pytest

from singleshot.client.answer import Answer
from singleshot.client.errors import BusyError, DeadlineError, UnreachableError
from singleshot.client.exchange import BACKOFF_SECONDS, JITTER, LEAST_SECONDS, Call, Outcome, Send, Wait, exchange

GOOD = Answer(200, {}, b"{}")
URL = "http://localhost:8000"


def waits_before(*outcomes: Outcome, seconds: float = 60) -> list[float]:
    """The seconds of each wait between tries that have these outcomes, and then a good one."""
    steps, waits = exchange(Call("POST", "/detect", seconds=seconds), URL), []
    step = next(steps)
    for outcome in outcomes:
        assert isinstance(step, Send)
        step = steps.send(outcome)
        assert isinstance(step, Wait)
        waits.append(step.seconds)
        step = next(steps)
    with pytest.raises(StopIteration):
        steps.send(GOOD)
    return waits


def busy(**headers: str) -> Answer:
    return Answer(503, {name.replace("_", "-"): text for name, text in headers.items()}, b"")


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (busy(retry_after_ms="2500", retry_after="9"), 2.5),
        (busy(retry_after="2"), 2),
        (busy(retry_after_ms="0"), LEAST_SECONDS),
        (busy(retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), LEAST_SECONDS),  # long ago
        (busy(), BACKOFF_SECONDS[0]),
        (busy(retry_after="soon"), BACKOFF_SECONDS[0]),
        (busy(retry_after_ms="nan"), BACKOFF_SECONDS[0]),
        (Answer(429, {"retry-after-ms": "40"}, b""), 0.04),
    ],
)
def test_wait_is_never_shorter_than_the_server_asks_and_seldom_the_same(answer: Answer, asked: float) -> None:
    waits = waits_before(*[answer] * 20) if asked != BACKOFF_SECONDS[0] else waits_before(answer)
    assert all(asked <= wait <= asked * (1 + JITTER) for wait in waits)
    assert len(set(waits)) == len(waits)


def test_waits_without_a_word_of_the_server_grow_up_to_a_limit() -> None:
    waits = waits_before(*[httpx.ConnectError("refused")] * 8)
    first, longest = BACKOFF_SECONDS
    for number, wait in enumerate(waits):
        assert min(first * 2**number, longest) <= wait <= longest * (1 + JITTER)


def test_a_wait_that_would_miss_the_deadline_is_not_begun() -> None:
    with pytest.raises(BusyError):
        waits_before(busy(retry_after="3"), seconds=2.9)
    with pytest.raises(UnreachableError):
        waits_before(*[httpx.ReadError("")] * 8, seconds=0.3)


@pytest.mark.parametrize("error", [httpx.ReadTimeout(""), httpx.WriteTimeout(""), httpx.PoolTimeout("")])
def test_the_end_of_the_time_is_final(error: httpx.RequestError) -> None:
    with pytest.raises(DeadlineError, match="http://localhost:8000 gave no answer within 60 s") as raised:
        waits_before(error)
    assert raised.value.__cause__ is error


def test_a_replica_that_does_not_accept_connections_is_not_the_end() -> None:
    assert len(waits_before(httpx.ConnectTimeout(""))) == 1


def test_a_request_that_httpx_cannot_send_is_final() -> None:
    with pytest.raises(UnreachableError, match="Illegal header value"):
        waits_before(httpx.LocalProtocolError("Illegal header value"))
