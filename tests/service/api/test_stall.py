"""Ordinary requests are answered while a hostile one is still being served.

No test here measures time: each holds a hostile request where it is, and then sends ordinary ones.
`python -m comparison.hostile stall` measures.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

import httpx
import pytest

from service.api.app import create_app
from service.api.state import ServerState
from service.bundle import Bundle
from service.scheduling.decode_pool import LARGE_SECONDS
from tests.service.live_server import live_server
from tests.service.served_app import GOLDEN, async_client, labels, settings

NUM_ORDINARY = 5
FORM = "Content-Type: multipart/form-data; boundary=edge"
PART = '--edge\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'


@pytest.mark.parametrize(
    "start",
    [
        "POST /detect HTTP/1.1\r\nHost: a\r\n",
        "POST /detect HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx",
        "POST /detect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        "POST /detect HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7fffffff\r\nx",
        f"POST /detect HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n{FORM}\r\n\r\n{PART}x",
        'POST /v2/models/tiny/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n{"inputs":[',
    ],
)
def test_a_request_that_does_not_end_keeps_none_from_its_answer(tiny_bundle: Bundle, start: str) -> None:
    with live_server(create_app(settings(tiny_bundle.path))) as address:
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(start.encode())
            for _ in range(NUM_ORDINARY):
                assert labels(httpx.post(f"http://{address}/detect", content=GOLDEN)) == ["red", "green"]
            slow.setblocking(False)
            with pytest.raises(BlockingIOError):
                slow.recv(1)  # it is still being served


def hold_large_decoding(server: ServerState, gate: threading.Event) -> "list[Future[bool]]":
    """More large images are being decoded than there are threads for them."""
    work = round(2 * LARGE_SECONDS / server.decoders.seconds(1_000_000) * 1_000_000)
    return [server.decoders.start(work, lambda: gate.wait(60)) for _ in range(2 * server.settings.decode_threads)]


def hold_drawing(server: ServerState, gate: threading.Event) -> "list[asyncio.Task[bool]]":
    """A picture is being drawn, and others wait."""
    far = time.monotonic() + 3600
    return [asyncio.create_task(server.drawings.run(lambda _: gate.wait(60), far)) for _ in range(4)]


@pytest.mark.parametrize("hold", [hold_large_decoding, hold_drawing])
def test_an_image_that_takes_long_keeps_none_from_its_answer(
    tiny_bundle: Bundle, hold: Callable[[ServerState, threading.Event], "list[Future[bool] | asyncio.Task[bool]]"]
) -> None:
    async def run() -> None:
        app, gate = create_app(settings(tiny_bundle.path)), threading.Event()
        async with async_client(app) as client:
            held = hold(app.state.server, gate)
            try:
                for _ in range(NUM_ORDINARY):
                    assert labels(await client.post("/detect", content=GOLDEN)) == ["red", "green"]
                assert not any(one.done() for one in held)
            finally:
                gate.set()
            await asyncio.gather(*(one if isinstance(one, asyncio.Task) else asyncio.wrap_future(one) for one in held))

    asyncio.run(run())
