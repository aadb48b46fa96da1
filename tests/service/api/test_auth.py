"""API keys and rate limits."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import Request
from prometheus_client import CollectorRegistry

from service.api.app import create_app
from service.api.auth import Access, AccessError
from service.api.problems import RequestError
from service.api.request_record import RequestRecord
from service.bundle import Bundle
from service.settings import Settings
from service.telemetry.metrics import Metrics
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, problem, settings


class Clock:
    """Stands still until a test changes `now`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def request_with(address: str = "10.0.0.1", **headers: str) -> Request:
    raw = [(name.lower().replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    state = {"record": RequestRecord()}
    return Request({"type": "http", "headers": raw, "client": (address, 1234), "state": state})


def access(clock: Clock | None = None, metrics: Metrics | None = None, **changes: Any) -> Access:
    return Access(Settings(**changes), metrics or Metrics(CollectorRegistry()), clock or Clock())


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text("# name key\nalice a-secret\n\nbob b-secret\n")
    return path


def test_without_keys_and_limits_every_request_is_accepted() -> None:
    access().check(request_with())


@pytest.mark.parametrize("headers", [{"Authorization": "Bearer a-secret"}, {"X_API_Key": "b-secret"}])
def test_a_valid_key_is_accepted(keys: Path, headers: dict[str, str]) -> None:
    access(api_keys_file=keys).check(request_with(**headers))


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic a-secret"}, {"X_API_Key": ""}]
)
def test_a_request_without_a_valid_key_is_a_401(keys: Path, headers: dict[str, str]) -> None:
    with pytest.raises(RequestError, match="API key") as caught:
        access(api_keys_file=keys).check(request_with(**headers))
    assert (caught.value.status, caught.value.headers) == (401, {"WWW-Authenticate": "Bearer"})


def test_each_key_has_its_own_rate(keys: Path) -> None:
    clock = Clock()
    checks = access(clock, api_keys_file=keys, rate_limit=0.25)
    alice, bob = request_with(X_API_Key="a-secret"), request_with(X_API_Key="b-secret")
    checks.check(alice)
    checks.check(bob)
    with pytest.raises(RequestError, match=r"0\.25 requests a second") as caught:
        checks.check(alice)
    assert (caught.value.status, caught.value.headers["Retry-After"]) == (429, "4")
    clock.now += 4
    checks.check(alice)


def test_without_keys_each_address_has_its_own_rate() -> None:
    checks = access(rate_limit=1)
    checks.check(request_with("10.0.0.1"))
    checks.check(request_with("10.0.0.2"))
    with pytest.raises(RequestError):
        checks.check(request_with("10.0.0.1"))


@pytest.mark.parametrize("content", [None, "", "alice", "alice a b"])
def test_a_bad_file_of_keys_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "keys").write_text(content)
    with pytest.raises(AccessError, match="keys"):
        access(api_keys_file=tmp_path / "keys")


def test_health_and_metrics_never_need_a_key(tiny_bundle: Bundle, keys: Path) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path, api_keys_file=keys, rate_limit=2))) as client:
        for _ in range(5):
            for path in ("/healthz", "/readyz", "/metrics"):
                assert client.get(path).status_code == 200
        problem(client.post("/detect", content=GOLDEN), 401)
        problem(client.get("/models"), 401)
        headers = {"Authorization": "Bearer a-secret"}
        assert client.get("/models", headers=headers).status_code == 200
        assert client.post("/detect", content=GOLDEN, headers=headers).status_code == 200
        response = client.get("/models", headers=headers)
        problem(response, 429)
        assert int(response.headers["retry-after"]) == 1
        assert 1 <= int(response.headers["retry-after-ms"]) <= 500
        assert 'singleshot_rejected_total{model="",reason="key",version=""} 2.0' in client.get("/metrics").text


def test_a_file_of_keys_that_changes_is_read_again_and_a_bad_one_is_not_used(
    keys: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "singleshot")
    metrics = Metrics(CollectorRegistry())
    checks = access(metrics=metrics, api_keys_file=keys)
    asyncio.run(checks.poll())
    assert caplog.records == []
    steps = [("carol c-secret\n", "keys_read"), ("broken\n", "keys_refused"), ("carol c-secret\n\n", "keys_read")]
    for content, event in steps:
        keys.write_text(content)
        asyncio.run(checks.poll())
        asyncio.run(checks.poll())
        (record,) = caplog.records
        assert vars(record)["event"] == event
        is_refused = event == "keys_refused"
        assert metrics.registry.get_sample_value("singleshot_api_keys_fault") == is_refused
        assert "secret" not in record.getMessage()
        caplog.clear()
        checks.check(request_with(X_API_Key="c-secret"))
    keys.unlink()
    asyncio.run(checks.poll())
    checks.check(request_with(X_API_Key="c-secret"))
