"""Ray Serve: a replica for each core, `serve.batch`, and the settings for throughput of its performance guide.

https://docs.ray.io/en/latest/serve/advanced-guides/performance.html
"""

import os
import sys
import time

os.environ.setdefault("RAY_SERVE_THROUGHPUT_OPTIMIZED", "1")

import ray
from ray import serve
from ray.serve.config import HTTPOptions
from ray.serve.schema import LoggingConfig
from starlette.requests import Request
from starlette.responses import Response

from comparison.detector import MAX_BATCH, NUM_WORKERS, WINDOW_MS, Detector


@serve.deployment(
    num_replicas=NUM_WORKERS,
    max_ongoing_requests=1000,
    ray_actor_options={"num_cpus": 1},
    logging_config=LoggingConfig(enable_access_log=False, log_level="WARNING"),
)
class Detection:
    """One replica with an engine."""

    def __init__(self) -> None:
        self.detector = Detector()

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=WINDOW_MS / 1000)
    async def detect(self, files: list[bytes]) -> list[bytes]:
        return self.detector(files)

    async def __call__(self, request: Request) -> Response:
        body = await request.body()
        answer = await self.detect(body) if MAX_BATCH > 1 else self.detector([body])[0]
        return Response(answer, media_type="application/json")


if __name__ == "__main__":
    ray.init("local", num_cpus=NUM_WORKERS, include_dashboard=False, log_to_driver=False)
    serve.start(
        http_options=HTTPOptions(host="127.0.0.1", port=int(sys.argv[1])), logging_config={"enable_access_log": False}
    )
    serve.run(Detection.bind(), route_prefix="/detect")  # type: ignore[attr-defined]
    while True:
        time.sleep(3600)
