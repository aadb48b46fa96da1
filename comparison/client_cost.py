"""`python -m comparison.client_cost`: the CPU time that a client of /detect takes for each picture.

The server is another process that sends one ready answer, so that this process does nothing but ask.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import httpx
import numpy as np

from service.benchmark.http_load import Target, send_load
from singleshot import AsyncClient, Client

PICTURE = (Path(__file__).parents[1] / "service/bundles/bccd-passd-320/blood-cells-2.jpg").read_bytes()
OBJECT = {
    "label": "WBC",
    "class_id": 2,
    "score": 0.9996,
    "box": {"x1": 147.37, "y1": 233.37, "x2": 345.95, "y2": 422.3},
}
RESULT = {"filename": None, "width": 640, "height": 480, "detections": [OBJECT] * 17}
BODY = json.dumps({"model": "cells", "version": "1", "results": [RESULT]}).encode()
HEAD = f"""HTTP/1.1 200 OK
content-type: application/json
content-length: {len(BODY)}
server-timing: decode;dur=1.00, queue;dur=0.10, infer;dur=11.20, postprocess;dur=0.40
x-request-id: {"0" * 32}

"""
ANSWER = HEAD.replace("\n", "\r\n").encode() + BODY
CONCURRENCY = 8
RATE = 1000.0  # of the load, which has its own times
Run = Callable[[], Awaitable[object]]


async def answer_all(port: Pipe) -> None:
    """Send the ready answer to each request, and the port to the pipe."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split()[0]))
                writer.write(ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def serve(port: Pipe) -> None:
    """`answer_all` as a process."""
    asyncio.run(answer_all(port))


@contextmanager
def answering() -> Iterator[str]:
    """A process that answers -> its address."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    there.close()  # so that a process that ends early ends the pipe too
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


async def costs(url: str, num_pictures: int, num_runs: int) -> dict[str, float]:
    """The seconds of CPU for each picture by the client, the best of the runs."""
    target = Target.of(url, "/detect")
    request, times = target.post(PICTURE, {}), np.arange(num_pictures) / RATE
    with httpx.Client() as plain, Client(url) as client:
        async with httpx.AsyncClient() as plain_async, AsyncClient(url) as client_async:

            def pictures() -> Iterator[bytes]:
                return itertools.repeat(PICTURE, num_pictures)

            async def post() -> object:
                send = plain.post  # as `Client.detect`, it blocks the event loop, which has nothing else to do
                return [send(f"{url}/detect", content=picture).json() for picture in pictures()]

            async def detect() -> object:
                return [client.detect(picture) for picture in pictures()]

            async def detect_many() -> object:
                return list(client.detect_many(pictures(), concurrency=CONCURRENCY))

            async def post_async() -> object:
                left = pictures()

                async def post_some() -> list[object]:
                    return [(await plain_async.post(f"{url}/detect", content=picture)).json() for picture in left]

                return await asyncio.gather(*[post_some() for _ in range(CONCURRENCY)])

            async def detect_many_async() -> object:
                return [found async for found in client_async.detect_many(pictures(), concurrency=CONCURRENCY)]

            async def load() -> object:
                return await send_load(target, [request], times)

            runs: dict[str, Run] = {
                "`httpx.Client.post` and its `.json()`": post,
                "`Client.detect`": detect,
                f"`Client.detect_many`, {CONCURRENCY} at once": detect_many,
                f"`httpx.AsyncClient.post` and its `.json()`, {CONCURRENCY} at once": post_async,
                f"`AsyncClient.detect_many`, {CONCURRENCY} at once": detect_many_async,
                "`python -m service.benchmark`, which reads only the status": load,
            }
            found = {}
            for name, run in runs.items():
                found[name] = min([await cpu_seconds(run) for _ in range(num_runs)]) / num_pictures
            return found


async def cpu_seconds(run: Run) -> float:
    """The CPU time of this process while it runs."""
    start = time.process_time()
    await run()
    return time.process_time() - start


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the costs as a table in Markdown -> exit status."""
    parser = argparse.ArgumentParser(prog="python -m comparison.client_cost", description=__doc__)
    parser.add_argument("--pictures", type=int, default=100, help="of one run (default: 100)")
    parser.add_argument("--runs", type=int, default=20, help="the best of these counts (default: 20)")
    options = parser.parse_args(arguments)
    with answering() as url:
        found = asyncio.run(costs(url, options.pictures, options.runs))
    print("| client | ms of CPU for each picture |\n| --- | ---: |")
    for name, seconds in found.items():
        print(f"| {name} | {1000 * seconds:.2f} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
