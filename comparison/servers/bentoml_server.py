"""BentoML: a worker process for each core, adaptive batching.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html
"""

import os
import sys
from pathlib import Path
from typing import Annotated

import bentoml
from bentoml.validators import ContentType

from comparison.detector import MAX_BATCH, NUM_WORKERS, Detector

Image = Annotated[Path, ContentType("image/jpeg")]


@bentoml.service(workers=NUM_WORKERS, logging={"access": {"enabled": False}}, metrics={"enabled": False})
class Detection:
    """One worker with an engine."""

    def __init__(self) -> None:
        self.detector = Detector()

    if MAX_BATCH > 1:
        # a latency limit of a minute, because the server must not shed load
        @bentoml.api(route="/detect", batchable=True, max_batch_size=MAX_BATCH, max_latency_ms=60_000)
        def detect(self, images: list[Image]) -> list[str]:
            return [answer.decode() for answer in self.detector([image.read_bytes() for image in images])]

    else:

        @bentoml.api(route="/detect")
        def detect(self, images: Image) -> str:
            return self.detector([images.read_bytes()])[0].decode()


if __name__ == "__main__":
    service = "comparison.servers.bentoml_server:Detection"
    command = ["-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", sys.argv[1]]
    os.execv(sys.executable, [sys.executable, *command])
