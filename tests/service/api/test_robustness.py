"""Broken bodies of every kind: never a 5xx, never a crash.

ROBUSTNESS_BODIES=10000 sends that many and measures the growth of memory.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.image_files import encode
from tests.service.served_app import settings

NUM_BODIES = int(os.environ.get("ROBUSTNESS_BODIES", "400"))
MANY = 5000  # with so many bodies, the growth of memory is measured
MAX_GROWTH_BYTES = 30 * 2**20
EXPECTED = {200, 400, 413, 415, 422}


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
