"""LitServe: a worker and an API process for each core, batching, and the fast queue.

Its documentation advises the fast queue above 100 requests a second:
https://lightning.ai/docs/litserve/api-reference/litserver
"""

import sys
from typing import Annotated

import litserve
from fastapi import Body, Response

from comparison.detector import MAX_BATCH, NUM_WORKERS, WINDOW_MS, Detector


class Detection(litserve.LitAPI):
    """One worker with an engine."""

    def setup(self, device: str) -> None:  # noqa: ARG002 (the name is LitServe's)
        self.detector = Detector()

    def decode_request(self, request: Annotated[bytes, Body(media_type="image/jpeg")]) -> bytes:
        return request

    def batch(self, inputs: list[bytes]) -> list[bytes]:
        return inputs

    def predict(self, batch: list[bytes] | bytes) -> list[bytes] | bytes:
        if isinstance(batch, bytes):  # without batches
            return self.detector([batch])[0]
        return self.detector(batch)

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="application/json")


if __name__ == "__main__":
    api = Detection(max_batch_size=MAX_BATCH, batch_timeout=WINDOW_MS / 1000, api_path="/detect")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=NUM_WORKERS, fast_queue=True)
    server.run(
        host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False, generate_client_file=False
    )
