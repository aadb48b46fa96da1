"""Hostile requests, by name: each costs a server as much as its kind can, and all are made by code."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from comparison.hostile import pictures
from service.benchmark.http_load import Target

SLOW_SECONDS = 0.25  # between the parts of a slow request
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}


@dataclass(frozen=True)
class Hostile:
    """One request, sent in parts with a pause between them.

    `has_answer`: whether the server should answer it; it may close the connection of the others without a word.
    """

    name: str
    parts: Sequence[bytes]
    pause_seconds: float = 0.0
    has_answer: bool = True


def hostile_requests(target: Target, model: str) -> Iterator[Hostile]:
    """All kinds, for the server at `target`, whose default model is `model`."""

    def post(query: str, body: bytes, headers: dict[str, str] | None = None) -> tuple[bytes, ...]:
        return (Target(target.host, target.port, query).post(body, headers or {}),)

    head = f"Host: {target.host}:{target.port}\r\n".encode()
    infer = f"/v2/models/{model}/infer"
    yield Hostile("a picture of a wide PNG", post("/detect?format=image&score_threshold=0", pictures.wide_png()))
    yield Hostile("a picture of a blank PNG", post("/detect?format=image&score_threshold=0", pictures.blank_png()))
    for name, file in PICTURES.items():
        yield Hostile(name, post("/detect", file()))
    yield Hostile("a form of large JPEGs", post("/detect", form(pictures.large_jpegs(32)), FORM))
    yield Hostile("a form of small parts", post("/detect", form([b"x"] * 300_000), FORM))
    yield Hostile("a form of fields", post("/detect", fields(300_000), FORM))
    yield Hostile("a form of almost boundaries", post("/detect", form([b"\r\n--edg" * 4_000_000]), FORM))
    yield Hostile("a form with long part headers", post("/detect", part_headers(), FORM))
    yield Hostile("all candidates", post("/detect?score_threshold=0&max_detections=10000", pictures.photograph(1)))
    yield Hostile("candidates without NMS", post("/detect?nms=none&score_threshold=0", pictures.photograph(1)))
    yield Hostile("JSON of numbers", post(infer, tensor(b"[" + b"0," * (14 * 2**20) + b"0]")))
    yield Hostile("JSON of lists", post(infer, tensor(b"[" + b"[]," * (9 * 2**20) + b"[]]")))
    yield Hostile("JSON of one number", post(infer, tensor(b"[" + b"1" * pictures.BODY_BYTES + b"]")))
    yield Hostile("JSON of arrays", post(infer, b"{" + b'"data":[1],' * (2 * 2**20) + b'"a":1}'))
    yield Hostile("deep JSON", post(infer, tensor(b"[" * 10_000_000)))
    yield Hostile("JSON of names", post(infer, names()))
    yield Hostile("a tensor of empty strings", post(infer, *empty_strings()))
    yield Hostile("a long query", (b"POST /detect?classes=" + b"," * 60_000 + b" HTTP/1.1\r\n" + head + b"\r\n",))
    thresholds = b",".join([b"RBC:0.5"] * 7000)
    yield Hostile(
        "many thresholds", (b"POST /detect?class_thresholds=" + thresholds + b" HTTP/1.1\r\n" + head + b"\r\n",)
    )
    yield Hostile("many headers", (b"GET /healthz HTTP/1.1\r\n" + head + b"a:b\r\n" * 12_000 + b"\r\n",))
    yield Hostile("endless headers", (b"GET / HTTP/1.1\r\n" + head + b"a:b\r\n" * 6_000_000,), has_answer=False)
    chunked = b"POST /detect HTTP/1.1\r\n" + head + b"Transfer-Encoding: chunked\r\n\r\n"
    yield Hostile("chunks of one byte", (chunked + b"1\r\nx\r\n" * 2_000_000 + b"0\r\n\r\n",))
    yield Hostile("pipelined requests", ((b"GET /metrics HTTP/1.1\r\n" + head + b"\r\n") * 500,), has_answer=False)
    yield Hostile("no HTTP", (b"\x16\x03\x01" * 100_000,), has_answer=False)
    body = b"POST /detect HTTP/1.1\r\n" + head + b"Content-Length: 1000000\r\n\r\n"
    yield Hostile("a slow body", (body, *[b"x"] * 20), SLOW_SECONDS, has_answer=False)
    yield Hostile("a slow head", (b"POST /detect HTTP/1.1\r\n", *[b"a: b\r\n"] * 20), SLOW_SECONDS, has_answer=False)


PICTURES: dict[str, Callable[[], bytes]] = {
    "a blank PNG": pictures.blank_png,
    "a grey PNG of 16 bits": pictures.wide_grey_png,
    "a transparent PNG": pictures.transparent_png,
    "an interlaced PNG of 16 bits": pictures.interlaced_png,
    "a PNG with large texts": pictures.png_with_large_texts,
    "a PNG of empty chunks": pictures.png_of_empty_chunks,
    "a JPEG of 190 scans": lambda: pictures.progressive_jpeg(190),
    "a JPEG of 30 scans": lambda: pictures.progressive_jpeg(30),
    "a turned JPEG": pictures.turned_jpeg,
    "a CMYK JPEG": pictures.cmyk_jpeg,
    "a JPEG of fill bytes": pictures.jpeg_of_fill_bytes,
    "a JPEG of comments": pictures.jpeg_of_comments,
    "a JPEG of EXIF": pictures.jpeg_of_exif,
    "a JPEG of stuffed bytes": pictures.jpeg_of_stuffed_bytes,
    "a JPEG without pixels": pictures.jpeg_without_pixels,
    "a WebP": pictures.webp,
    "a WebP of empty chunks": pictures.webp_of_empty_chunks,
    "a GIF": pictures.gif,
    "a BMP of runs": pictures.bmp_of_runs,
}


def form(files: Sequence[bytes]) -> bytes:
    """A multipart body with these files, in parts that are separated by `edge`."""
    start = b'--edge\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    return b"\r\n".join(start + file for file in files) + b"\r\n--edge--\r\n"


def fields(num: int) -> bytes:
    """A multipart body with `num` fields and no file."""
    return b'--edge\r\nContent-Disposition: form-data; name="f"\r\n\r\nx\r\n' * num + b"--edge--\r\n"


def part_headers() -> bytes:
    """A multipart body whose only part has 30 MB of headers."""
    return form([b""]).replace(b"\r\n\r\n", b"\r\n" + b"a: b\r\n" * (pictures.BODY_BYTES // 6) + b"\r\n", 1)


def tensor(data: bytes) -> bytes:
    """The JSON of an inference request with these values."""
    return b'{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,320,320,3],"data":' + data + b"}]}"


def names() -> bytes:
    """The JSON of an inference request with a million unknown names."""
    return b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000)) + b"}"


def empty_strings() -> tuple[bytes, dict[str, str]]:
    """An inference request with seven million strings of no bytes, and its headers."""
    num = 7_000_000
    parameters = {"binary_data_size": 4 * num}
    head = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [num], "parameters": parameters}]}
    text = json.dumps(head).encode()
    return text + bytes(4 * num), {"Inference-Header-Content-Length": str(len(text))}
