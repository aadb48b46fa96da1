"""The views of a tiled image on their way through the server: batches, limits, and what happens if one fails."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from service.bundle import Bundle
from service.engines.protocol import Candidates, Engine, ImageCandidates
from service.repository import served_model
from service.repository.image_group import detect_group
from service.repository.image_job import Outcome
from service.repository.served_model import ServedModel
from service.repository.tiled_image import ViewRun, busy_seconds
from service.scheduling.admission import RejectedError, TimeLimits
from service.scheduling.batch_run import BatchFailedError
from service.scheduling.cost_model import CostModel
from service.scheduling.flow import Flow
from service.scheduling.ticket import ExpiredError
from tests.service.faulty_engine import FaultyEngine
from tests.service.served_app import GOLDEN, settings
from tests.service.wait import wait_until
from tests.tiny_bundle import png

LARGE = np.zeros((208, 256, 3), np.uint8)
LARGE[104:120, 152:168, 0] = 255
NUM_VIEWS = 21  # in tiles of 64 pixels


class Recording(FaultyEngine):
    """Also keeps the size of each batch."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.sizes: list[int] = []

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        self.sizes.append(len(images))
        return super().__call__(images)

    def close(self) -> None:
        """Leave the engine to the other tests."""


@pytest.fixture
def engine(tiny_engine: Engine) -> Recording:
    return Recording(tiny_engine)


@asynccontextmanager
async def served(bundle: Bundle, engine: Recording, **changes: int) -> AsyncIterator[ServedModel]:
    """The model of a running server; whatever happens, the engine runs at the end."""
    app = create_app(settings(bundle.path).model_copy(update=changes), lambda *_, **__: engine)
    server = app.state.server
    async with server.running(app):
        engine.sizes.clear()
        engine.has_begun.clear()
        try:
            yield server.repository.default
        finally:
            engine.may_run.set()
        assert server.budget.pixels == 0
        assert server.repository.default.depth == 0


async def detect(model: ServedModel, seconds: float = 60.0, image: bytes | NDArray[np.uint8] = LARGE) -> Outcome:
    """The outcome of an image in tiles, which has so many seconds."""
    limits = TimeLimits(time.monotonic() + seconds, time.monotonic() + seconds)
    (outcome,) = await detect_group(model, model.tiled.in_views([image], 64), model.options, limits)
    assert isinstance(outcome, Outcome)
    return outcome


def test_the_views_of_an_image_fill_batches(
    tiny_bundle: Bundle, engine: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "measure_costs", lambda *_, **__: CostModel({1: 1.0, 8: 1.1}))
    engine.device = "sm_89"

    async def run() -> None:
        async with served(tiny_bundle, engine, max_batch=8) as model:
            outcome = await detect(model)
        assert engine.sizes[0] == 8
        assert sum(engine.sizes) == outcome.num_views == NUM_VIEWS
        assert outcome.batch_size == 8
        assert outcome.view_side == 64
        assert outcome.detections.boxes.tolist() == [[152, 104, 168, 120]]

    asyncio.run(run())


def test_the_stages_explain_the_time_of_the_answer(tiny_bundle: Bundle, engine: Recording) -> None:
    async def run() -> None:
        async with served(tiny_bundle, engine) as model:
            start = time.monotonic()
            outcome = await detect(model, image=png(LARGE))
            assert list(outcome.seconds) == ["decode", "queue", "infer", "postprocess"]
            assert min(outcome.seconds.values()) >= 0
            end = outcome.started + sum(outcome.seconds.values())
            assert start <= outcome.started < end <= time.monotonic()

    asyncio.run(run())


def test_the_engine_is_busy_while_it_runs_any_view() -> None:
    nothing = ImageCandidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))
    intervals = [(5.0, 7.0), (1.0, 2.0), (1.5, 3.0), (1.0, 1.5), (6.0, 6.5)]
    assert busy_seconds([ViewRun(nothing, start, end, 1) for start, end in intervals]) == 4.0


def test_the_views_of_a_departed_client_are_not_run(tiny_bundle: Bundle, engine: Recording) -> None:
    async def run() -> None:
        async with served(tiny_bundle, engine) as model:
            engine.may_run.clear()
            task = asyncio.create_task(detect(model))
            await asyncio.to_thread(engine.has_begun.wait, 60)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            engine.may_run.set()
            assert (await model.detect(GOLDEN, model.options, TimeLimits(*[time.monotonic() + 60] * 2))).height == 64
        assert sum(engine.sizes) < NUM_VIEWS

    asyncio.run(run())


def test_an_image_expires_with_all_its_views(tiny_bundle: Bundle, engine: Recording) -> None:
    async def run() -> None:
        async with served(tiny_bundle, engine) as model:
            engine.may_run.clear()
            with pytest.raises(ExpiredError):
                await detect(model, seconds=0.05)

    asyncio.run(run())


def test_an_error_of_the_engine_fails_the_image(tiny_bundle: Bundle, engine: Recording) -> None:
    async def run() -> None:
        async with served(tiny_bundle, engine) as model:
            engine.error = RuntimeError("out of order")
            with pytest.raises(BatchFailedError, match="RuntimeError"):
                await detect(model)
            engine.error = None
            assert (await detect(model)).num_views == NUM_VIEWS

    asyncio.run(run())


def test_an_image_that_does_not_fit_into_the_budget_is_refused(tiny_bundle: Bundle, engine: Recording) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path, max_pixels_in_flight=60_000), lambda *_, **__: engine)
        server = app.state.server
        async with server.running(app):
            with server.budget.reserved(10_000), pytest.raises(RejectedError, match="pixels") as caught:
                await detect(server.repository.default, image=png(LARGE))
            assert caught.value.reason == "pixels"
            assert (await detect(server.repository.default, image=png(LARGE))).num_views == NUM_VIEWS
            assert server.budget.pixels == 0

    asyncio.run(run())


def test_each_view_takes_a_place_in_the_queue(tiny_bundle: Bundle, engine: Recording) -> None:
    async def run() -> None:
        async with served(tiny_bundle, engine, max_queue=30) as model:
            engine.may_run.clear()
            first = asyncio.create_task(detect(model))
            await asyncio.to_thread(engine.has_begun.wait, 60)
            await asyncio.to_thread(wait_until, lambda: model.depth > 10)
            with pytest.raises(RejectedError) as caught:
                await detect(model)
            assert caught.value.reason == "queue_full"
            engine.may_run.set()
            assert (await first).num_views == NUM_VIEWS

    asyncio.run(run())


def test_a_request_that_would_be_decoded_too_late_is_refused(
    tiny_bundle: Bundle, engine: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "measure_costs", lambda *_, **__: CostModel({1: 0.001}))
    may_decode = threading.Event()

    async def run() -> None:
        app = create_app(settings(tiny_bundle.path, decode_threads=1), lambda *_, **__: engine)
        server = app.state.server
        async with server.running(app):
            model = server.repository.default
            engine.has_begun.clear()
            engine.may_run.clear()
            first = asyncio.create_task(detect(model))
            await asyncio.to_thread(engine.has_begun.wait, 60)
            for _ in range(1000):  # 90 s of work for the thread
                server.decoders.start(9_000_000, may_decode.wait)
            try:
                with pytest.raises(RejectedError) as caught:
                    await detect(model, image=png(LARGE))
                assert caught.value.reason == "late"
            finally:
                may_decode.set()
                engine.may_run.set()
            assert (await first).num_views == NUM_VIEWS

    asyncio.run(run())


def test_the_flow_of_images_does_not_wait_for_the_views(
    tiny_bundle: Bundle, engine: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_model, "measure_costs", lambda *_, **__: CostModel({1: 0.001}))
    monkeypatch.setattr(Flow, "seconds", lambda flow, _=1: float(flow.num_inside))  # one image a second

    async def run() -> None:
        async with served(tiny_bundle, engine) as model:
            engine.may_run.clear()
            tiled = asyncio.create_task(detect(model))
            await asyncio.to_thread(wait_until, lambda: model.depth > 10)
            soon = time.monotonic() + 0.5 * NUM_VIEWS
            model.check(TimeLimits(soon, soon))  # raises no RejectedError
            engine.may_run.set()
            await tiled

    asyncio.run(run())
