"""What every request gets: its id, its stages, and the time for which its refusal is held back."""

import asyncio
import re

import pytest
from prometheus_client import CollectorRegistry
from starlette.responses import Response
from starlette.types import Message

from service.api.patience import FIRST_SECONDS, Patience
from service.api.problems import retry_after
from service.api.request_context import RequestContext
from service.api.request_journal import RequestJournal
from service.api.request_log import RequestLog
from service.scheduling.loop_lag import LoopLag
from service.telemetry.metrics import Metrics
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN


def test_the_headers_give_the_id_the_stages_and_the_batch(client: AsgiClient) -> None:
    response = client.post("/detect", content=GOLDEN, headers={"X-Request-Id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    timing = r'decode;dur=[\d.]+, queue;dur=[\d.]+, infer;dur=[\d.]+;desc="batch of 1", postprocess;dur=[\d.]+'
    assert re.fullmatch(timing, response.headers["server-timing"])


def test_an_invalid_request_id_is_replaced(client: AsgiClient) -> None:
    response = client.get("/healthz", headers={"X-Request-Id": "a b" * 100})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


def holds_of(
    monkeypatch: pytest.MonkeyPatch, answers: list[Response], *, is_draining: bool = False
) -> list[float | None]:
    """For how long these answers to the requests of one connection are held back; None: not at all."""
    monkeypatch.setattr("service.api.patience.NUM_FREE", 0)
    slept: list[float] = []
    lag = LoopLag()

    async def sleep(seconds: float) -> None:
        assert lag.num_held == 1
        slept.append(seconds)

    async def receive() -> Message:
        raise AssertionError

    async def send(_: Message) -> None:
        pass

    async def run() -> list[float | None]:
        patience = Patience()
        holds: list[float | None] = []
        monkeypatch.setattr(asyncio, "sleep", sleep)
        for answer in answers:
            context = RequestContext(
                answer,
                journal=RequestJournal(Metrics(CollectorRegistry()), RequestLog(), slow_seconds=1.0, tracing=None),
                lag=lag,
                is_draining=lambda: is_draining,
            )
            state = {"patience": patience}
            scope = {"type": "http", "method": "POST", "path": "/detect", "headers": [], "state": state}
            await context(scope, receive, send)
            assert lag.num_held == 0
            holds.append(slept.pop() if slept else None)
        return holds

    return asyncio.run(run())


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_is_held_back_if_the_client_has_not_waited(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    refusals = [Response(status_code=status, headers=retry_after(30)) for _ in range(3)]
    assert holds_of(monkeypatch, refusals) == [None, FIRST_SECONDS, 2 * FIRST_SECONDS]


def test_other_answers_are_not_held_back_and_end_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Response(status_code=503, headers=retry_after(30))
    assert holds_of(monkeypatch, [refused, Response(), refused, refused]) == [None, None, None, FIRST_SECONDS]


def test_a_server_that_drains_holds_nothing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    refusals = [Response(status_code=503, headers=retry_after(30)) for _ in range(3)]
    assert holds_of(monkeypatch, refusals, is_draining=True) == [None] * 3
