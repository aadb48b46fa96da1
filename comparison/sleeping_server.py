"""`python -m comparison.sleeping_server PORT [BATCH_MS IMAGE_MS]`: this server with an engine that only sleeps.

It sleeps for BATCH_MS and for IMAGE_MS times the images of the batch, like an engine on another device.

It shows whether the server keeps such an engine busy. The engine uses no CPU, so all CPU time is the server's own.
"""

import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.app import create_app
from service.bundle import Bundle
from service.detection.pipeline import Pipeline
from service.engines.open import open_engine
from service.engines.protocol import Candidates, EngineName
from service.settings import Settings
from service.transport.process import listen, run, set_up_threads

BATCH_SECONDS = 0.005
IMAGE_SECONDS = 0.001
MAX_BATCH = 16
BEST_RATE = MAX_BATCH / (BATCH_SECONDS + MAX_BATCH * IMAGE_SECONDS)  # images a second, in full batches without a break


class SleepingEngine:
    """Sleeps for a time that grows with the batch, then returns a real engine's candidates of the golden image."""

    name = "sleeping"
    device = "no device"
    precision = "fp32"
    num_streams = 1
    num_threads = 1
    batch_sizes: tuple[int, ...] | None = None
    late_sizes: tuple[int, ...] = ()

    def __init__(self, bundle: Bundle, batch_seconds: float, image_seconds: float) -> None:
        self._batch_seconds = batch_seconds
        self._image_seconds = image_seconds
        real = open_engine(bundle, num_threads=1)
        pixels, _ = Pipeline(bundle, real).prepare(bundle.golden_path.read_bytes())
        self._found = real(pixels[None])
        real.close()

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        """Sleep for images (B, H, W, 3)."""
        size = len(images)
        time.sleep(self._batch_seconds + size * self._image_seconds)
        boxes, scores, labels = self._found.boxes, self._found.scores, self._found.labels
        return Candidates(
            np.repeat(boxes, size, axis=0), np.repeat(scores, size, axis=0), np.repeat(labels, size, axis=0)
        )

    def prepare(self, size: int) -> None:
        """Do nothing: there are no late sizes."""

    def close(self) -> None:
        """Do nothing: there is nothing to free."""


if __name__ == "__main__":
    set_up_threads()
    batch_seconds, image_seconds = [float(text) / 1000 for text in sys.argv[2:]] or (BATCH_SECONDS, IMAGE_SECONDS)

    def open_sleeping(bundle: Bundle, name: EngineName, **options: Any) -> SleepingEngine:  # noqa: ARG001
        """Replaces `service.engines.open.open_engine`."""
        return SleepingEngine(bundle, batch_seconds, image_seconds)

    given: dict[str, Any] = {"port": sys.argv[1], "max_batch": MAX_BATCH}
    settings = Settings(**given)
    sys.exit(run(create_app(settings, open_sleeping), settings, listen(settings)))
