"""POST /detect?format=image: the picture obeys the deadline, and drawing it changes nothing for other requests."""

import asyncio
import threading
import time

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from service.scheduling.admission import TimeLimits
from service.scheduling.drawing_thread import MAX_DRAWINGS
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, async_client, labels, problem, settings


def test_the_stages_account_for_drawing(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path))) as client:
        response = client.post("/detect?format=image", content=GOLDEN)
        assert "draw;dur=" in response.headers["server-timing"]
        assert "draw" not in client.post("/detect", content=GOLDEN).headers["server-timing"]
        assert (
            'singleshot_stage_duration_seconds_count{model="tiny",stage="draw",version="1"} 1.0'
            in client.get("/metrics").text
        )


def test_drawing_teaches_no_cost_of_decoding(tiny_bundle: Bundle) -> None:
    app = create_app(settings(tiny_bundle.path))
    with AsgiClient(app) as client:
        model, decoders = app.state.server.repository.models[0], app.state.server.decoders
        in_a_minute = time.monotonic() + 60
        outcome = client.run(model.detect(GOLDEN, model.options, TimeLimits(in_a_minute, in_a_minute)))
        before = decoders.seconds(10**6)
        assert client.run(model.draw(GOLDEN, outcome, in_a_minute)).startswith(b"\xff\xd8")
        assert decoders.seconds(10**6) == before


@pytest.mark.parametrize(("num_drawings", "status"), [(1, 504), (MAX_DRAWINGS, 503)])
def test_a_picture_that_would_be_late_is_a_problem_and_other_requests_are_answered(
    tiny_bundle: Bundle, num_drawings: int, status: int
) -> None:
    async def run() -> None:
        app, gate = create_app(settings(tiny_bundle.path)), threading.Event()
        async with async_client(app) as client:
            drawings, far = app.state.server.drawings, time.monotonic() + 3600
            held = [asyncio.create_task(drawings.run(lambda _: gate.wait(60), far)) for _ in range(num_drawings)]
            timeout = {"X-Request-Timeout-Ms": "500"}
            late = asyncio.create_task(client.post("/detect?format=image", content=GOLDEN, headers=timeout))
            assert labels(await client.post("/detect", content=GOLDEN)) == ["red", "green"]
            assert "picture" in problem(await late, status)
            reason = {503: "drawings", 504: "expired"}[status]
            metrics = (await client.get("/metrics")).text
            assert f'singleshot_rejected_total{{model="tiny",reason="{reason}",version="1"}} 1.0' in metrics
            gate.set()
            assert all(await asyncio.gather(*held))

    asyncio.run(run())
