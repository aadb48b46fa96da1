"""The limits that all requests share, readiness, and the set of bundles."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from service.api.app import create_app
from service.bundle import Bundle, BundleError
from tests.asgi_client import AsgiClient
from tests.service.faulty_engine import FaultyEngines
from tests.service.served_app import GOLDEN, async_client, labels, problem, settings
from tests.service.wait import wait_until
from tests.tiny_bundle import write_tiny_bundle


def test_too_many_requests_at_once_are_rejected_before_their_bodies_are_read(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path, max_requests=1))
        is_reading, may_end = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            is_reading.set()
            await may_end.wait()
            yield GOLDEN

        async with async_client(app) as client:
            first = asyncio.create_task(client.post("/detect", content=slow_body()))
            await is_reading.wait()
            response = await client.post("/detect", content=GOLDEN)
            assert "busy" in problem(response, 503)
            assert int(response.headers["retry-after"]) >= 1
            may_end.set()
            assert (await first).status_code == 200

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/detect", "/v2/models/tiny/infer"])
@pytest.mark.parametrize("headers", [{}, {"X-Request-Timeout-Ms": "60000"}])
def test_a_request_that_the_queue_cannot_take_is_rejected_before_its_body_arrives(
    tiny_bundle: Bundle, path: str, headers: dict[str, str]
) -> None:
    async def run() -> None:
        engines = FaultyEngines()
        app = create_app(settings(tiny_bundle.path, max_queue=1, engine_streams=1), engines)
        (engine,) = engines.opened
        engine.has_begun.clear()
        engine.may_run.clear()

        async def body_that_never_arrives() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        async with async_client(app) as client:
            running = asyncio.create_task(client.post("/detect", content=GOLDEN))
            await asyncio.to_thread(engine.has_begun.wait, 60)
            waiting = asyncio.create_task(client.post("/detect", content=GOLDEN))
            model = app.state.server.repository.choose(None)
            await asyncio.to_thread(wait_until, lambda: model.depth > 0)
            response = await client.post(path, content=body_that_never_arrives(), headers=headers)
            assert "waiting already" in problem(response, 503)
            assert int(response.headers["retry-after"]) >= 1
            engine.may_run.set()
            assert [(await running).status_code, (await waiting).status_code] == [200, 200]

    asyncio.run(run())


def test_an_idle_server_answers_all_images_of_a_request_although_they_miss_the_objective(tiny_bundle: Bundle) -> None:
    app = create_app(settings(tiny_bundle.path, objective_seconds=1e-6, max_queue=2))
    with AsgiClient(app) as client:
        response = client.post("/detect", files=[("image", (f"{number}.png", GOLDEN)) for number in range(16)])
        assert response.status_code == 200
        assert [len(result["detections"]) for result in response.json()["results"]] == [2] * 16
        assert "singleshot_rejected_total{" not in client.get("/metrics").text


def test_a_busy_server_refuses_by_the_objective_although_the_deadline_is_far(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        engines = FaultyEngines()
        app = create_app(settings(tiny_bundle.path, objective_seconds=1e-6, engine_streams=1), engines)
        (engine,) = engines.opened
        engine.has_begun.clear()
        engine.may_run.clear()
        async with async_client(app) as client:
            running = asyncio.create_task(client.post("/detect", content=GOLDEN))
            await asyncio.to_thread(engine.has_begun.wait, 60)
            response = await client.post("/detect", content=GOLDEN)
            assert "should be answered in" in problem(response, 503)
            assert int(response.headers["retry-after"]) >= 1
            patient = client.post("/detect", content=GOLDEN, headers={"X-Request-Timeout-Ms": "60000"})
            accepted = asyncio.create_task(patient)
            await asyncio.sleep(0)
            engine.may_run.set()
            assert [(await running).status_code, (await accepted).status_code] == [200, 200]
            assert (
                'singleshot_rejected_total{model="tiny",reason="late",version="1"} 1.0'
                in (await client.get("/metrics")).text
            )

    asyncio.run(run())


def test_readiness_ends_before_the_server_stops(tiny_bundle: Bundle) -> None:
    app = create_app(settings(tiny_bundle.path))
    with AsgiClient(app) as client:
        app.state.server.is_draining = True
        assert "shutting down" in problem(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200
        response = client.post("/detect", content=GOLDEN)
        assert len(labels(response)) == 2
        assert response.headers["connection"] == "close"


def test_two_bundles_of_one_name_are_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    again = write_tiny_bundle(tmp_path / "again")
    with pytest.raises(BundleError, match="a model named tiny is served already"):
        create_app(settings(tiny_bundle.path, again.path, strict_bundles=True))
