"""The bodies of requests: one image or a multipart form, within limits of size and time."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from PIL import Image
from starlette.requests import ClientDisconnect

from service.api.app import create_app
from service.api.disconnect import Disconnect
from service.api.schemas import DetectResponse
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.image_files import encode, png_header
from tests.service.served_app import GOLDEN, async_client, labels, problem, settings
from tests.tiny_bundle import golden_image, png


def test_several_files_are_answered_in_their_order(client: AsgiClient) -> None:
    red_only = golden_image()
    red_only[..., 1] = 0
    files = [("a", ("one.png", GOLDEN)), ("a", ("two.png", png(red_only))), ("b", ("three.png", GOLDEN))]
    response = client.post("/detect", files=files)
    results = DetectResponse.model_validate_json(response.content).results
    counts = [(result.filename, len(result.detections)) for result in results]
    assert counts == [("one.png", 2), ("two.png", 1), ("three.png", 2)]


def test_a_bad_image_among_several_has_its_own_error(client: AsgiClient) -> None:
    files = [("f", ("good.png", GOLDEN)), ("f", ("bad.txt", b"hello")), ("f", ("cut.png", GOLDEN[:60]))]
    response = client.post("/detect", files=files)
    assert response.status_code == 200
    good, bad, cut = DetectResponse.model_validate_json(response.content).results
    assert good.error is None
    assert len(good.detections) == 2
    assert bad.error is not None
    assert (bad.error.status, bad.width, bad.detections) == (415, None, [])
    assert cut.error is not None
    assert cut.error.status == 422
    assert "error" not in response.json()["results"][0]


def test_a_multipart_body_may_hold_a_single_file(client: AsgiClient) -> None:
    assert labels(client.post("/detect", files={"image": ("a.png", GOLDEN)})) == ["red", "green"]
    assert problem(client.post("/detect", files={"image": ("a.png", b"hello")}), 415)


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "empty"),
        (b"hello", 415, "not an image"),
        (encode(Image.fromarray(golden_image()), "JPEG")[:-100], 422, "cut short"),
        (png_header(20_000, 20_000), 413, "20000×20000"),
        (b"\xff" * 300_000, 413, "larger than 200000 bytes"),
    ],
)
def test_a_bad_body_is_an_error_that_says_why(client: AsgiClient, body: bytes, status: int, words: str) -> None:
    assert words in problem(client.post("/detect", content=body), status)


def test_a_body_without_a_declared_length_is_bounded(client: AsgiClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"\xff" * 10_000

    assert "larger" in problem(client.post("/detect", content=chunks()), 413)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"no form", "multipart/form-data; boundary=x"),
        (b"--x\r\n", "multipart/form-data"),
        (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nvalue\r\n--x--\r\n',
            "multipart/form-data; boundary=x",
        ),
    ],
)
def test_a_form_without_a_file_is_a_400(client: AsgiClient, body: bytes, content_type: str) -> None:
    response = client.post("/detect", content=body, headers={"Content-Type": content_type})
    assert "multipart" in problem(response, 400).lower()


def test_a_form_that_ends_inside_a_file_is_a_400(client: AsgiClient) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n' + GOLDEN + b"\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert "ends inside" in problem(client.post("/detect", content=part + part, headers=headers), 400)


def test_too_many_files_are_a_400(client: AsgiClient) -> None:
    files = [("f", (f"{i}.png", GOLDEN)) for i in range(5)]
    assert "more than 4 files" in problem(client.post("/detect", files=files), 400)


@pytest.mark.parametrize("coding", ["gzip", "br", "identity, gzip", "x-unknown"])
@pytest.mark.parametrize("path", ["/detect", "/v2/models/tiny/infer"])
def test_a_compressed_body_is_a_415_that_names_the_accepted_coding(client: AsgiClient, path: str, coding: str) -> None:
    response = client.post(path, content=gzip.compress(GOLDEN), headers={"Content-Encoding": coding})
    problem(response, 415)
    assert response.headers["accept-encoding"] == "identity"


def test_the_identity_is_no_coding(client: AsgiClient) -> None:
    for coding in ("identity", "Identity", "", "identity, identity"):
        assert client.post("/detect", content=GOLDEN, headers={"Content-Encoding": coding}).status_code == 200


def test_another_transfer_coding_than_chunked_is_a_415(client: AsgiClient) -> None:
    problem(client.post("/detect", content=GOLDEN, headers={"Transfer-Encoding": "gzip, chunked"}), 415)


def test_a_declared_length_of_thousands_of_digits_is_read(client: AsgiClient) -> None:
    length = f"{len(GOLDEN):05000}"
    assert client.post("/detect", content=GOLDEN, headers={"Content-Length": length}).status_code == 200
    problem(client.post("/detect", content=GOLDEN, headers={"Content-Length": "9" * 5000}), 413)


def test_bodies_of_all_requests_share_a_budget(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        image = GOLDEN + bytes(2000)  # decoders ignore what follows the image
        app = create_app(settings(tiny_bundle.path, max_body_bytes_in_flight=2 * len(image)))
        server = app.state.server
        half_sent, may_go_on = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            yield image[:1000]
            yield image[1000:1010]
            half_sent.set()
            await may_go_on.wait()
            yield image[1010:]

        async with async_client(app) as client, asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(client.post("/detect", content=slow_body()))
            await half_sent.wait()
            assert server.bodies.num_bytes >= 1000
            large = image + image
            refused = await client.post("/detect", content=large)
            assert "bodies" in problem(refused, 503)
            assert int(refused.headers["retry-after"]) >= 1
            assert (await client.post("/detect", content=GOLDEN[:100])).status_code == 422
            may_go_on.set()
            assert (await slow).status_code == 200
            assert server.bodies.num_bytes == 0
            lone = await client.post("/detect", content=large + large)  # nothing else is there
            assert lone.status_code == 200
            assert server.bodies.num_bytes == 0
            assert (
                'singleshot_rejected_total{model="tiny",reason="memory",version="1"} 1.0'
                in (await client.get("/metrics")).text
            )

    asyncio.run(run())


@pytest.mark.parametrize("end", ["disconnect", "timeout", "cancel", "too large", "compressed"])
def test_the_budget_gets_its_bytes_back_however_a_request_ends(tiny_bundle: Bundle, end: str) -> None:
    async def run() -> None:
        app = create_app(
            settings(tiny_bundle.path, receive_seconds=0.02 if end == "timeout" else 30, max_body_bytes=2000)
        )
        server = app.state.server
        has_sent = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield bytes(1000)
            yield bytes(2000 if end == "too large" else 10)
            if end == "disconnect":
                raise ClientDisconnect
            has_sent.set()
            if end in ("timeout", "cancel"):
                await asyncio.Event().wait()

        async with async_client(app) as client:
            headers = {"Content-Encoding": "gzip"} if end == "compressed" else {}
            request = asyncio.create_task(client.post("/detect", content=body(), headers=headers))
            if end == "cancel":
                await has_sent.wait()
                assert server.bodies.num_bytes == 1010
                request.cancel()
            await asyncio.gather(request, return_exceptions=True)
            assert server.bodies.num_bytes == 0

    asyncio.run(run())


def test_a_body_that_arrives_too_slowly_is_a_408(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path, receive_seconds=0.02))

        async def endless_body() -> AsyncIterator[bytes]:
            yield GOLDEN[:10]
            await asyncio.Event().wait()

        async with async_client(app) as client:
            assert "did not arrive" in problem(await client.post("/detect", content=endless_body()), 408)

    asyncio.run(run())


def test_a_client_that_disconnects_is_a_499_and_no_line_in_the_log(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path))
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": GOLDEN, "more_body": False})
        disconnect = Disconnect()
        disconnect.notify()
        sent: list[dict[str, Any]] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/detect",
            "raw_path": b"/detect",
            "query_string": b"",
            "headers": [],
            "state": {"disconnect": disconnect},
        }
        async with app.state.server.running(app):
            await app(scope, messages.get, send)
        assert sent[0]["status"] == 499

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert not caplog.records
