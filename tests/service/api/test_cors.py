"""Web pages of other origins: each answer that they may read says so, and no other answer does."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service.api.app import create_app
from service.api.busy import BusyRefusals
from service.api.cors import Origins
from service.api.patience import Patience
from service.bundle import Bundle
from service.scheduling.admission import RejectedError
from service.scheduling.loop_lag import LoopLag
from service.telemetry.metrics import Metrics
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, labels, problem, settings
from tests.service.transport.wire import connect

SHOP, OTHER = "https://shop.example", "https://other.example"
ALLOW, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, x-api-key"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text("shop a-secret\n")
    return path


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle, keys: Path) -> Iterator[AsgiClient]:
    """A server that needs a key, and whose answers the pages of SHOP may read."""
    limits = settings(tiny_bundle.path, cors_origins=(SHOP,), api_keys_file=keys, max_body_bytes=100_000)
    with AsgiClient(create_app(limits)) as running:
        yield running


def detect(client: AsgiClient, origin: str, content: bytes = GOLDEN, key: str = "a-secret") -> httpx.Response:
    return client.post("/detect", content=content, headers={"Origin": origin, "X-API-Key": key})


def test_a_page_of_an_allowed_origin_reads_the_answer_and_its_headers(client: AsgiClient) -> None:
    response = detect(client, SHOP)
    assert labels(response) != []
    assert (response.headers[ALLOW], response.headers["vary"]) == (SHOP, "Origin")
    shown = response.headers[EXPOSE].lower().split(", ")
    assert {"x-request-id", "server-timing", "x-model-name", "x-model-version", "retry-after"} <= set(shown)
    assert "access-control-allow-credentials" not in response.headers


@pytest.mark.parametrize(
    "origin", [OTHER, "null", f"{SHOP}.evil.example", "https://shop.exampl", "HTTPS://SHOP.EXAMPLE"]
)
def test_no_other_page_reads_it(client: AsgiClient, origin: str) -> None:
    response = detect(client, origin)
    assert response.status_code == 200
    assert ALLOW not in response.headers
    assert response.headers["vary"] == "Origin"


def test_a_page_reads_each_refusal(client: AsgiClient) -> None:
    refusals = {
        401: detect(client, SHOP, key="wrong"),
        413: detect(client, SHOP, b"x" * 100_001),
        415: detect(client, SHOP, b"no image"),
        422: client.post("/detect?score_threshold=7", headers={"Origin": SHOP, "X-API-Key": "a-secret"}),
        404: client.get("/nothing", headers={"Origin": SHOP}),
        405: client.get("/detect", headers={"Origin": SHOP}),
    }
    for status, response in refusals.items():
        problem(response, status)
        assert response.headers[ALLOW] == SHOP, status


def test_a_page_reads_that_the_server_has_failed(tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(settings(tiny_bundle.path, cors_origins=("*",)))

    def fail(*_: Any) -> None:
        raise RuntimeError

    with AsgiClient(app) as running:
        monkeypatch.setattr(app.state.server.access, "check", fail)
        for response in (detect(running, SHOP), running.get("/models", headers={"Origin": SHOP})):
            problem(response, 500)
            assert response.headers[ALLOW] == "*"


@pytest.mark.parametrize("path", ["/detect", "/models", "/v2/models/tiny/infer"])
def test_the_question_before_a_request_needs_no_key(client: AsgiClient, path: str) -> None:
    response = client.request("OPTIONS", path, headers={"Origin": SHOP, **PREFLIGHT})
    assert response.status_code == 200
    assert response.headers[ALLOW] == SHOP
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower().split(", ")
    assert {"authorization", "x-api-key", "content-type", "x-request-timeout-ms"} <= set(allowed)
    refused = client.request("OPTIONS", path, headers={"Origin": OTHER, **PREFLIGHT})
    assert ALLOW not in refused.headers


def test_every_page_reads_the_answers_if_all_origins_are_allowed(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path, cors_origins=("*", SHOP)))) as running:
        response = running.post("/detect", content=GOLDEN, headers={"Origin": OTHER})
        assert response.headers[ALLOW] == "*"


def test_without_the_setting_no_page_reads_anything(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path))) as running:
        response = running.post("/detect", content=GOLDEN, headers={"Origin": SHOP})
        assert not [name for name in response.headers if name.startswith("access-control") or name == "vary"]
        problem(running.request("OPTIONS", "/detect", headers={"Origin": SHOP, **PREFLIGHT}), 405)


@pytest.mark.parametrize(
    ("allowed", "origin", "shown"),
    [
        (("*",), None, "*"),
        (("*",), OTHER, "*"),
        ((SHOP,), None, SHOP),  # no head was read, so that the origin is not known
        ((SHOP,), SHOP, SHOP),
        ((SHOP,), OTHER, None),
        ((SHOP,), "", None),
        ((SHOP, OTHER), OTHER, OTHER),
        ((SHOP, OTHER), None, None),
    ],
)
def test_an_answer_without_the_application_has_the_same_headers(
    allowed: tuple[str, ...], origin: str | None, shown: str | None
) -> None:
    headers = Origins(allowed).headers_for(origin)
    assert headers.get("Access-Control-Allow-Origin") == shown
    assert ("Access-Control-Expose-Headers" in headers) == (shown is not None)
    assert headers["Vary"] == "Origin"


def test_a_page_reads_when_it_may_ask_a_busy_server_again() -> None:
    def check(_: float | None) -> None:
        raise RejectedError("queue", "full", 0.5)

    busy = BusyRefusals(Metrics(CollectorRegistry()), LoopLag(), check, origins=Origins([SHOP]))
    refusal = busy.refuse(b"POST", b"/detect", [(b"origin", SHOP.encode())], None, Patience(), closes=False)
    assert refusal is not None
    head = refusal.answer(closes=False).partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    assert f"{ALLOW}: {SHOP}" in head
    assert any(line.startswith(f"{EXPOSE}: ") and "retry-after" in line for line in head)


@pytest.mark.parametrize("end", [b"X: " + b"x" * 100_000, b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"])
def test_a_page_reads_what_is_wrong_with_its_head(end: bytes) -> None:
    async def run() -> bytes:
        connection, wire = connect(FastAPI(), origins=Origins([SHOP, OTHER]))
        connection.data_received(b"POST /detect HTTP/1.1\r\nOrigin: " + OTHER.encode() + b"\r\n" + end)
        await wire.wait_for_pieces(1)
        connection.connection_lost(None)
        return wire.pieces[0]

    answer = asyncio.run(run())
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert f"\r\n{ALLOW}: {OTHER}\r\n".encode() in answer
