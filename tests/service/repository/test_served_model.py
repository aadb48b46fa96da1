"""A served model starts threads according to the device, streams and threads of its engine."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from service.bundle import Bundle
from service.engines.protocol import Candidates, Engine
from service.repository import served_model
from tests.asgi_client import AsgiClient
from tests.fake_engine import FakeEngine
from tests.service.served_app import settings


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
        assert f"singleshot_engine_streams {num_streams}.0" in client.get("/metrics").text
