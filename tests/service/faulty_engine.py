"""An engine that fails or hangs when a test wants it to."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engines.open import open_engine
from service.engines.protocol import Candidates, Engine, EngineName


class FaultyEngine:
    """A real engine of a bundle behind two switches: it raises its `error` if there is one, and waits for `may_run`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = engine.name
        self.device = engine.device
        self.precision = engine.precision
        self.num_streams = engine.num_streams
        self.num_threads = engine.num_threads
        self.batch_sizes = engine.batch_sizes
        self.late_sizes = engine.late_sizes
        self.error: Exception | None = None
        self.has_begun = threading.Event()
        self.may_run = threading.Event()
        self.may_run.set()
        self.is_closed = threading.Event()

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        self.has_begun.set()
        assert self.may_run.wait(60)
        if self.error is not None:
            raise self.error
        return self._engine(images)

    def prepare(self, size: int) -> None:
        self._engine.prepare(size)

    def close(self) -> None:
        self._engine.close()
        self.is_closed.set()


class FaultyEngines:
    """Opens them, in place of `open_engine`; `opened` are all of them, the newest last."""

    def __init__(self) -> None:
        self.opened: list[FaultyEngine] = []

    def __call__(self, bundle: Bundle, name: EngineName, **options: Any) -> FaultyEngine:
        engine = FaultyEngine(open_engine(bundle, name, **options))
        self.opened.append(engine)
        return engine
