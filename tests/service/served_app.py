"""The application as the tests serve it: its settings, its images, and the checks of its responses."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI

from service.api.schemas import DetectResponse, ProblemDetails
from service.settings import Settings
from tests.tiny_bundle import golden_image, png

GOLDEN = png(golden_image())
HALF_RED = png(np.full((64, 64, 3), (180, 0, 0), np.uint8))  # every block is a candidate of the same score


def settings(*bundles: Path | str, **changes: Any) -> Settings:
    """Settings that serve `bundles` with ONNX Runtime on one thread, in batches of at most 2."""
    return Settings(
        bundles=tuple(str(path) for path in bundles), engine="onnx", engine_threads=1, max_batch=2, **changes
    )


@asynccontextmanager
async def async_client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application, on the same event loop; for tests with several requests at once."""
    transport = httpx.ASGITransport(app)
    async with (
        app.state.server.running(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


def problem(response: httpx.Response, status: int) -> str:
    """Check that the response is a problem of that status -> its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    details = ProblemDetails.model_validate_json(response.content)
    assert details.status == status
    assert details.request_id == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    return details.detail


def labels(response: httpx.Response) -> list[str]:
    """Check that /detect has answered for one image -> the labels of its detections."""
    assert response.status_code == 200, response.text
    (result,) = DetectResponse.model_validate_json(response.content).results
    return [detection.label for detection in result.detections]
