"""The series of a version of a model begin with its first load and end after its last one."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry

from service.telemetry import model_metrics
from service.telemetry.metrics import Metrics


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Metrics:
    monkeypatch.setattr(model_metrics, "FORGET_SECONDS", 0.0)
    return Metrics(CollectorRegistry())


def num_in_time(metrics: Metrics) -> float | None:
    """The requests in time that a scrape sees; None if there is no series."""
    labels = {"model": "tiny", "version": "1", "outcome": "in_time", "protocol": "http"}
    return metrics.registry.get_sample_value("singleshot_detect_requests_total", labels)


async def wait_until_forgotten(metrics: Metrics) -> None:
    async with asyncio.timeout(60):
        while num_in_time(metrics) is not None:  # noqa: ASYNC110 the metrics give no event
            await asyncio.sleep(0)


def test_a_version_that_is_loaded_while_its_series_end_is_counted(metrics: Metrics) -> None:
    async def test() -> float | None:
        model = metrics.of_model("tiny", "1")
        model.begin_use()
        model.observe_request("/detect", 200, 0.1, "in_time")
        model.end_use()
        await wait_until_forgotten(metrics)  # its next load has begun, but is not served yet
        model.begin_use()
        model.observe_request("/detect", 200, 0.1, "in_time")
        return num_in_time(metrics)

    assert asyncio.run(test()) == 1


def test_two_loads_of_a_version_share_their_series(metrics: Metrics) -> None:
    async def test() -> float | None:
        model = metrics.of_model("tiny", "1")
        model.begin_use()
        model.end_use()
        await wait_until_forgotten(metrics)
        for load in (model, metrics.of_model("tiny", "1")):
            load.begin_use()
        model.observe_request("/detect", 200, 0.1, "in_time")
        model.end_use()
        for _ in range(3):
            await asyncio.sleep(0)
        return num_in_time(metrics)

    assert asyncio.run(test()) == 1


def test_the_series_end_after_the_last_unload(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> float | None:
        model = metrics.of_model("tiny", "1")
        model.begin_use()
        model.end_use()
        model.begin_use()
        monkeypatch.setattr(model_metrics, "FORGET_SECONDS", 3600.0)
        model.end_use()
        for _ in range(3):
            await asyncio.sleep(0)
        return num_in_time(metrics)

    assert asyncio.run(test()) == 0


def test_the_series_of_an_answer_that_a_client_reads_slowly_end_too(metrics: Metrics) -> None:
    async def test() -> None:
        model = metrics.of_model("tiny", "1")
        model.begin_use()
        model.end_use()
        await wait_until_forgotten(metrics)
        model.observe_request("/detect", 200, 100.0, "in_time")
        assert num_in_time(metrics) == 1
        await wait_until_forgotten(metrics)

    asyncio.run(test())
