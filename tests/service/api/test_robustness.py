"""Broken bodies and requests of every kind: never a 5xx but 503 and 504, never a crash.

ROBUSTNESS_BODIES=10000 sends that many and measures the growth of memory.
"""

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.image_files import encode
from tests.service.live_server import live_server
from tests.service.served_app import GOLDEN, settings

NUM_BODIES = int(os.environ.get("ROBUSTNESS_BODIES", "400"))
MANY = 5000  # with so many bodies, the growth of memory is measured
MAX_GROWTH_BYTES = 30 * 2**20
EXPECTED = {200, 400, 413, 415, 422}
EXPECTED_OF_RAW_REQUESTS = EXPECTED | {100, 404, 405, 408, 431, 503, 504}
NUM_CONNECTIONS = 50  # at once
PATIENCE_SECONDS = 0.5  # of the server with a slow client
DIGITS = "9" * 5000  # Python's int() takes at most 4300


def picture(mode: str) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 56, 3), dtype=np.uint8)
    pixels[16:32, 16:32] = (255, 0, 0)
    return Image.fromarray(pixels).convert(mode)


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    return encode(picture(mode), kind, **options)


def exif() -> bytes:
    tags = Image.Exif()
    tags[0x0112] = 6
    return tags.tobytes()


def image_files() -> list[bytes]:
    """One file of each kind that has its own path through the decoders."""
    frames = [picture("P"), picture("P").rotate(90)]
    return [
        saved("JPEG", exif=exif()),
        saved("JPEG", progressive=True),
        saved("JPEG", "L"),
        saved("JPEG", "CMYK"),
        saved("PNG", exif=exif()),
        saved("PNG", "RGBA"),
        saved("PNG", "P"),
        saved("PNG", "I;16") if hasattr(Image, "I;16") else saved("PNG", "1"),
        saved("WEBP"),
        saved("WEBP", "RGBA", lossless=True, exif=exif()),
        saved("GIF", "P", save_all=True, append_images=frames, transparency=3),
        saved("BMP"),
    ]


def multipart(*files: bytes) -> bytes:
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        + file
        for file in files
    ]
    return b"\r\n".join(parts) + b"\r\n--edge--\r\n"


def inference_request(file: bytes) -> tuple[bytes, str]:
    """A request of the Open Inference Protocol -> its body and the length of its JSON."""
    size = len(file) + 4
    tensor = {"name": "image", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor]}).encode()
    return head + len(file).to_bytes(4, "little") + file, str(len(head))


def mutated(body: bytes, rng: np.random.Generator) -> bytes:
    """The body with one to four errors."""
    data = bytearray(body)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(0, max(1, len(data))))
        length = int(rng.integers(1, 40))
        match rng.integers(0, 7):
            case 0:
                data[at : at + 1] = bytes([rng.integers(0, 256)])
            case 1:
                del data[at:]
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = rng.bytes(length)
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                data[at : at + 4] = int(rng.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFF])).to_bytes(4, "big")
            case _:  # the header, where an error misleads decoders most
                data[at % 64 : at % 64 + 1] = bytes([rng.integers(0, 256)])
    return bytes(data)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle) -> Iterator[AsgiClient]:
    with AsgiClient(create_app(settings(tiny_bundle.path, max_pixels=1_000_000, max_body_bytes=100_000))) as running:
        yield running


def test_every_valid_file_is_answered(client: AsgiClient) -> None:
    for file in image_files():
        assert client.post("/detect", content=file).status_code == 200


def test_mutated_bodies_are_answered_or_refused(client: AsgiClient) -> None:
    files = image_files()
    rng = np.random.default_rng(0)
    statuses: Counter[int] = Counter()
    resident = 0
    for number in range(NUM_BODIES):
        file = files[number % len(files)]
        match number // len(files) % 4:
            case 0 | 1:
                response = client.post("/detect", content=mutated(file, rng))
            case 2:
                body = mutated(multipart(file, files[0]), rng)
                response = client.post(
                    "/detect", content=body, headers={"Content-Type": "multipart/form-data; boundary=edge"}
                )
            case _:
                body, length = inference_request(file)
                headers = {"Inference-Header-Content-Length": length}
                response = client.post("/v2/models/tiny/infer", content=mutated(body, rng), headers=headers)
        statuses[response.status_code] += 1
        if number == NUM_BODIES // 5:
            resident = resident_bytes()
    assert set(statuses) <= EXPECTED, statuses
    assert statuses[200] > NUM_BODIES / 20
    assert statuses[422] > NUM_BODIES / 20
    assert client.get("/readyz").status_code == 200
    if NUM_BODIES >= MANY:
        assert resident_bytes() - resident < MAX_GROWTH_BYTES


def test_random_bytes_after_a_valid_signature_are_refused(client: AsgiClient) -> None:
    rng = np.random.default_rng(1)
    for signature in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"BM"):
        for size in (0, 1, 20, 2000):
            assert client.post("/detect", content=signature + rng.bytes(size)).status_code in (413, 422)


numbers = st.integers(-2, 300) | st.sampled_from([2**31, 2**63, 2**64, 10**400]) | st.floats()
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=5) | st.sampled_from(["DIGITS", "SURROGATE", "a" * 5000]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
sides = st.integers(-1, 4) | st.sampled_from([2**31, 2**62, 2**64])
tensors = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["image", "images"]) | values,
        "datatype": st.sampled_from(["BYTES", "UINT8"]) | values,
        "shape": st.lists(sides, max_size=5) | st.just([1, 1, 1, 3]) | values,
        "data": st.lists(st.integers(0, 255), max_size=4) | st.just([1, 2, 3]) | values,
        "parameters": st.dictionaries(st.sampled_from(["binary_data_size", "shared_memory_region"]), values) | values,
    },
)
parameters = st.sampled_from(["score_threshold", "max_detections", "classes", "class_thresholds", "nms", "timeout"])
infer_requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=2) | values},
    optional={
        "id": values,
        "parameters": st.dictionaries(parameters, values, max_size=3) | values,
        "outputs": st.lists(st.fixed_dictionaries({"name": st.just("scores"), "parameters": values}), max_size=2)
        | values,
    },
)


@hypothesis.settings(
    max_examples=NUM_BODIES // 10, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    request=infer_requests,
    rest=st.binary(max_size=20),
    length=st.sampled_from(["", "0", "+1", DIGITS, "exact", "more"]),
)
def test_inference_requests_of_any_structure_are_answered_or_refused(
    client: AsgiClient, request: dict[str, Any], rest: bytes, length: str
) -> None:
    text = json.dumps(request).replace('"DIGITS"', DIGITS).replace("SURROGATE", "\\ud800").encode()
    number = {"exact": str(len(text)), "more": str(len(text) + 1)}.get(length, length)
    headers = {"Inference-Header-Content-Length": number} if number else {}
    response = client.post("/v2/models/tiny/infer", content=text + rest, headers=headers)
    assert response.status_code in EXPECTED, response.text


FRAMING_HEADERS = [
    b"",
    b"Content-Length: 0\r\n",
    b"Content-Length: 99999\r\n",
    b"Content-Length: " + DIGITS.encode() + b"\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
    b"Expect: 100-continue\r\n",
    b"Content-Encoding: gzip\r\n",
    b"Content-Type: multipart/form-data; boundary=edge; charset=utf-7\r\n",
    b"X-Request-Timeout-Ms: " + DIGITS.encode() + b"\r\n",
    b"Range: bytes=0-" + DIGITS.encode() + b"\r\n",
    b"X-Forwarded-For: \xff, [::1\r\n",
    b"Connection: close\r\n",
]
TARGETS = [b"GET /healthz", b"HEAD /", b"POST /detect", b"POST /v2/models/tiny/infer", b"OPTIONS *", b"CONNECT a:1"]


def raw_request(files: list[bytes], rng: np.random.Generator) -> bytes:
    """A request as it stands on the wire, or two; often with headers that disagree, and sometimes damaged."""
    data = b""
    for _ in range(rng.integers(1, 3)):
        body = files[rng.integers(len(files))]
        if rng.random() < 0.3:
            body = multipart(body)
        headers = FRAMING_HEADERS[rng.integers(len(FRAMING_HEADERS))]
        if headers[:2] not in (b"Co", b"Tr") or rng.random() < 0.3:
            headers += b"Content-Length: %d\r\n" % len(body)
        data += TARGETS[rng.integers(len(TARGETS))] + b" HTTP/1.1\r\nHost: here\r\n" + headers + b"\r\n" + body
    return mutated(data, rng) if rng.random() < 0.5 else data


async def send_raw(address: str, data: bytes, patience_seconds: float = 5 * PATIENCE_SECONDS) -> list[int]:
    """Send bytes to the server, in two pieces -> the statuses of its answers, until it closes or has fallen silent."""
    host, port = address.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answers = b""
    try:
        async with asyncio.timeout(patience_seconds):
            for piece in (data[: len(data) // 3], data[len(data) // 3 :]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)  # so that they arrive as two
            while part := await reader.read(65536):
                answers += part
    except (TimeoutError, ConnectionError):
        pass
    writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+) ", answers)]


def test_raw_requests_are_answered_or_refused_and_no_body_is_a_request(tiny_bundle: Bundle) -> None:
    files = [GOLDEN, b"GET /healthz HTTP/1.1\r\n\r\n", *image_files()[:3]]
    rng = np.random.default_rng(2)
    statuses: Counter[int] = Counter()

    async def send_all(address: str) -> None:
        for _ in range(max(1, NUM_BODIES // 4 // NUM_CONNECTIONS)):
            requests = [raw_request(files, rng) for _ in range(NUM_CONNECTIONS)]
            for request, found in zip(
                requests, await asyncio.gather(*(send_raw(address, request) for request in requests)), strict=True
            ):
                refused = sum(found.count(status) for status in (400, 408, 431))
                assert len(found) - found.count(100) - refused <= request.count(b"HTTP/1"), request
                statuses.update(found)
            ordinary = b"POST /detect HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(GOLDEN)
            assert await send_raw(address, ordinary + GOLDEN, patience_seconds=30) == [200]

    app = create_app(settings(tiny_bundle.path, receive_seconds=PATIENCE_SECONDS))
    with live_server(app, head_seconds=PATIENCE_SECONDS) as address:
        asyncio.run(send_all(address))
    assert set(statuses) <= EXPECTED_OF_RAW_REQUESTS, statuses
    assert {200, 400, 408} <= set(statuses), statuses
