"""A served model starts threads according to the device, streams and threads of its engine, and chooses the thread
that decodes an image.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.api.app import create_app
from service.bundle import Bundle
from service.engines.protocol import Candidates, Engine
from service.repository import served_model
from service.scheduling.cost_model import CostModel
from tests.asgi_client import AsgiClient
from tests.fake_engine import FakeEngine
from tests.service.image_files import encode
from tests.service.served_app import GOLDEN, settings


class ClaimingEngine(FakeEngine):
    """A real engine that claims to be another."""

    def __init__(self, engine: Engine, device: str, num_streams: int, num_threads: int) -> None:
        self._engine = engine
        self.device, self.num_streams, self.num_threads = device, num_streams, num_threads

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        return self._engine(images)


@pytest.mark.parametrize(
    ("num_cores", "device", "num_streams", "num_threads", "num_spare_threads"),
    [
        (8, "cpu", 8, 1, 0),
        (8, "cpu", 2, 4, 0),
        (8, "cpu", 1, 8, 0),
        (8, "cpu", 2, 3, 2),
        (16, "sm_89", 2, 1, 2),
        (1, "sm_89", 2, 1, 2),
    ],
)
def test_spare_threads_are_started_unless_the_streams_take_all_cores(
    tiny_bundle: Bundle,
    tiny_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    num_cores: int,
    device: str,
    num_streams: int,
    num_threads: int,
    num_spare_threads: int,
) -> None:
    monkeypatch.setattr(served_model, "num_cores", lambda: num_cores)
    engine = ClaimingEngine(tiny_engine, device, num_streams, num_threads)
    with AsgiClient(create_app(settings(tiny_bundle.path), lambda *_, **__: engine)) as client:
        started = [thread for thread in threading.enumerate() if thread.name.startswith("engine-")]
        assert len(started) == num_streams + num_spare_threads
        assert f'singleshot_engine_streams{{model="tiny",version="1"}} {num_streams}.0' in client.get("/metrics").text


def test_the_engine_gets_only_batches_of_the_sizes_that_it_computes(
    tiny_bundle: Bundle, tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = set()

    class FixedSizes(ClaimingEngine):
        batch_sizes: tuple[int, ...] | None = (1, 4)

        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            sizes.add(len(images))
            return super().__call__(images)

    monkeypatch.setattr(served_model, "measure_costs", lambda *_, **__: CostModel({1: 1e-3, 4: 1.1e-3}, (1, 4)))
    engine = FixedSizes(tiny_engine, "sm_89", 1, 1)
    app = create_app(settings(tiny_bundle.path).model_copy(update={"max_batch": 4}), lambda *_, **__: engine)
    sizes.clear()
    with AsgiClient(app) as client:
        files = [("image", (f"{number}.png", GOLDEN, "image/png")) for number in range(11)]
        response = client.post("/detect", files=files)
    assert response.status_code == 200
    assert [len(result["detections"]) for result in response.json()["results"]] == [2] * 11
    assert sizes <= {1, 4}
    assert 4 in sizes


def test_images_are_answered_while_the_engine_prepares_for_larger_batches(
    tiny_bundle: Bundle, tiny_engine: Engine
) -> None:
    may_end, prepared = threading.Event(), []

    class Preparing(ClaimingEngine):
        late_sizes: tuple[int, ...] = (2,)

        def prepare(self, size: int) -> None:
            assert may_end.wait(60)
            prepared.append(size)

    app = create_app(settings(tiny_bundle.path), lambda *_, **__: Preparing(tiny_engine, "cpu", 1, 1))
    with AsgiClient(app) as client:
        try:
            assert client.post("/detect", content=GOLDEN).status_code == 200
            assert not prepared
        finally:
            may_end.set()
    assert prepared == [2]


@pytest.mark.parametrize(
    ("side", "query", "threads"),
    [
        (64, "", ["engine"]),
        (2000, "", ["decode"]),
        (4000, "", ["decode-large"]),
        (4000, "?format=image", ["decode-large"]),
    ],
)
def test_a_stream_decodes_only_what_takes_little_time_and_drawing_teaches_nothing(
    tiny_bundle: Bundle,
    tiny_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
    side: int,
    query: str,
    threads: list[str],
) -> None:
    monkeypatch.setattr(served_model, "num_cores", lambda: 1)
    monkeypatch.setattr(served_model, "measure_costs", lambda *_, **__: CostModel({1: 0.1, 2: 0.2}))
    app = create_app(settings(tiny_bundle.path), lambda *_, **__: ClaimingEngine(tiny_engine, "cpu", 1, 1))
    decoders = app.state.server.decoders
    taught = []

    def timed(work: int, decode: Callable[[], Any], timed: Callable[..., Any] = decoders.timed) -> Any:
        taught.append(threading.current_thread().name.rsplit("-" if work < 10_000 else "_", 1)[0])
        return timed(work, decode)

    monkeypatch.setattr(decoders, "timed", timed)
    with AsgiClient(app) as client:
        response = client.post(f"/detect{query}", content=encode(Image.new("RGB", (side, side)), "JPEG"))
    assert response.status_code == 200
    assert taught == threads
