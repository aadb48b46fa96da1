"""FastAPI as people write it by hand: the handler computes and so blocks its process; one process for each core."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response

from comparison.detector import NUM_WORKERS, Detector


@asynccontextmanager
async def with_detector(app: FastAPI) -> AsyncIterator[None]:
    """Open an engine in each process."""
    app.state.detector = Detector()
    yield


app = FastAPI(lifespan=with_detector)


@app.post("/detect")
async def detect(request: Request) -> Response:
    """Compute everything in the event loop, as most hand-written servers do."""
    return Response(app.state.detector([await request.body()])[0], media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        "comparison.servers.fastapi_server:app",
        port=int(sys.argv[1]),
        workers=NUM_WORKERS,
        access_log=False,
        log_level="warning",
        timeout_worker_healthcheck=60,  # the default of 5 s kills workers while they load the model on a busy machine
    )
