"""FastAPI as people write it by hand.

In one setting the handler computes and so blocks its process, of which there is one for each core. In the other one
there is one process, and the handler awaits a pool with one thread for each core.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, Request, Response

from comparison.detector import NUM_WORKERS, USES_THREADS, Detector

of_thread = threading.local()  # its detector


@asynccontextmanager
async def with_detectors(app: FastAPI) -> AsyncIterator[None]:
    """Open an engine in each process, or in each thread."""
    if not USES_THREADS:
        open_detector()
        yield
        return
    with ThreadPoolExecutor(NUM_WORKERS, initializer=open_detector) as pool:
        app.state.pool = pool
        yield


def open_detector() -> None:
    """Open an engine for the thread that runs this."""
    of_thread.detector = Detector()


def compute(body: bytes) -> bytes:
    """Run the thread's detector on one image file -> its JSON."""
    answer: bytes = of_thread.detector([body])[0]
    return answer


app = FastAPI(lifespan=with_detectors)


@app.post("/detect")
async def detect(request: Request) -> Response:
    """Compute in the event loop, as most hand-written servers do, or in the pool."""
    body = await request.body()
    if USES_THREADS:
        answer = await asyncio.get_running_loop().run_in_executor(app.state.pool, compute, body)
    else:
        answer = compute(body)
    return Response(answer, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(
        "comparison.servers.fastapi_server:app",
        port=int(sys.argv[1]),
        workers=1 if USES_THREADS else NUM_WORKERS,
        access_log=False,
        log_level="warning",
        # the default of 5 s kills workers while they load the model on a busy machine, and after a pause
        timeout_worker_healthcheck=86_400,
    )
