"""Images in JSON."""

import base64
import json
from typing import Any

import pytest

from service.api.app import create_app
from service.api.json_images import MAX_ESCAPES, PIECE, decode, read_json_images
from service.api.problems import RequestError
from service.api.schemas import DetectResponse
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, labels, problem, settings

TEXT = base64.b64encode(GOLDEN).decode()
JSON = {"Content-Type": "application/json"}


def refusal(body: bytes | str, *, max_files: int = 4, max_bytes: int = 200_000) -> tuple[int, str]:
    """The status and the sentence with which a body is refused."""
    with pytest.raises(RequestError) as caught:
        read_json_images(body.encode() if isinstance(body, str) else body, max_files, max_bytes)
    assert "\n" not in caught.value.detail
    return caught.value.status, caught.value.detail


@pytest.mark.parametrize("text", [TEXT, f"data:image/png;base64,{TEXT}", f"DATA:;charset=x;BASE64,{TEXT}"])
def test_an_image_in_base64_is_answered_as_its_bytes(client: AsgiClient, text: str) -> None:
    response = client.post("/detect", json={"image": text})
    assert response.json() == client.post("/detect", content=GOLDEN).json()
    assert labels(client.post("/detect?classes=red", json={"image": text})) == ["red"]


def test_several_images_are_answered_in_their_order(client: AsgiClient) -> None:
    response = client.post("/detect", json={"images": [TEXT, base64.b64encode(b"hello").decode()]})
    good, bad = DetectResponse.model_validate_json(response.content).results
    assert len(good.detections) == 2
    assert bad.error is not None
    assert bad.error.status == 415


def test_the_image_with_its_boxes_is_drawn(client: AsgiClient) -> None:
    response = client.post("/detect?format=image", json={"image": TEXT})
    assert response.headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/json ; a=b"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_a_charset_and_a_byte_order_mark_change_nothing(client: AsgiClient, kind: str, mark: bytes) -> None:
    body = mark + json.dumps({"image": TEXT}).encode()
    assert labels(client.post("/detect", content=body, headers={"Content-Type": kind})) == ["red", "green"]


def test_other_types_than_json_are_images(client: AsgiClient) -> None:
    for kind in ("application/json-seq", "text/plain", "application/octet-stream"):
        assert labels(client.post("/detect", content=GOLDEN, headers={"Content-Type": kind})) == ["red", "green"]


def test_escaped_slashes_are_slashes(client: AsgiClient) -> None:
    body = json.dumps({"image": TEXT}).replace("/", "\\/")
    assert labels(client.post("/detect", content=body, headers=JSON)) == ["red", "green"]


@pytest.mark.parametrize("url", ["http://example.org/a.jpg", "file:///etc/passwd", "s3://bucket/a.jpg", "HTTPS://x"])
def test_urls_are_not_fetched(client: AsgiClient, url: str) -> None:
    sentence = "URLs are not fetched; send the bytes of the file as base64"
    assert problem(client.post("/detect", json={"image": url}), 422) == f"image: {sentence}"
    assert problem(client.post("/detect", json={"images": [TEXT, url]}), 422) == f"images[1]: {sentence}"


@pytest.mark.parametrize(
    "text",
    ["a", "ab", "abc", "abcd=", "a\u00e9bc", "ab-_", "ab\\ncd", " abcd", "ab==cdef", "====", "a" * PIECE + "b"],
)
def test_what_is_no_base64_is_refused(text: str) -> None:
    status, sentence = refusal(f'{{"image": "{text}"}}')
    assert status == 422
    assert sentence.startswith("image: no valid base64: ")
    assert sentence.endswith("in the alphabet with + and /, with padding, without line breaks")


@pytest.mark.parametrize(("text", "words"), [("", "it is empty"), ("data:image/png,abcd", "no ;base64 before")])
def test_an_empty_image_and_a_data_url_of_text_are_refused(text: str, words: str) -> None:
    assert words in refusal(json.dumps({"image": text}))[1]


@pytest.mark.parametrize("num_bytes", [PIECE * 3 // 4 - 1, PIECE * 3 // 4, PIECE * 3 // 4 + 1, PIECE * 2])
def test_large_images_are_decoded_in_pieces(num_bytes: int) -> None:
    content = bytes(range(256)) * (num_bytes // 256) + b"x" * (num_bytes % 256)
    text = base64.b64encode(content).decode()
    assert decode("image", text) == content
    padded = text[: PIECE - 2] + "==" + text[PIECE:]
    if len(text) > PIECE:
        with pytest.raises(RequestError):
            decode("image", padded)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "not valid JSON in UTF-8: EOF"),
        ("null", "no object"),
        (f'["{TEXT}"]', "no object"),
        ("{}", "both image and images, or neither"),
        (f'{{"image": "{TEXT}", "images": ["{TEXT}"]}}', "both image and images, or neither"),
        ('{"image": 5}', "image: Input should be a valid string"),
        ('{"image": null}', "image: Input should be a valid string"),
        ('{"image": {"url": "http://a"}}', "image: Input should be a valid string"),
        ('{"images": "abcd"}', "images: Input should be a valid list"),
        ('{"images": []}', "images: List should have at least 1 item"),
        ('{"images": [["abcd"]]}', "images.0: Input should be a valid string"),
        ('{"image": "abcd", "score_threshold": 0.5}', "score_threshold: Extra inputs are not permitted"),
        ('{"image": NaN}', "not valid JSON"),
        ('{"image": ' + "9" * 10_000 + "}", "not valid JSON"),
        ('{"image": "abcd"} {}', "trailing characters"),
        ('{"image": "ab\ncd"}', "control character"),
        ('{"image": "\\ud800"}', "not valid JSON"),
        ("[" * 100_000, "recursion limit"),
        ('{"a":' * 100_000, "recursion limit"),
        (b'{"image": "\xff\xfe"}', "not valid JSON"),
        ('{"image": "abcd"}'.encode("utf-16"), "not valid JSON"),
        ('{"' + "k" * 100_000 + '": 1}', "Extra inputs are not permitted"),
    ],
)
def test_any_other_json_is_refused_with_a_sentence(body: bytes | str, words: str) -> None:
    status, sentence = refusal(body)
    assert status == 422
    assert words in sentence
    assert sentence.endswith("and the parameters in the query")


def test_of_a_key_that_stands_twice_the_last_counts() -> None:
    assert read_json_images(b'{"image": "YQ==", "image": "Yg=="}', 4, 100) == [b"b"]


@pytest.mark.parametrize(
    "body", ["[" + "{}," * 500 + "{}]", '{"images": [' + '"YQ==",' * 500 + '"YQ=="]}', '"' + "\\/" * (MAX_ESCAPES + 1)]
)
def test_json_that_would_take_much_memory_or_time_is_not_parsed(body: str) -> None:
    assert refusal(body)[0] == 413


def test_too_many_images_are_refused() -> None:
    assert refusal(json.dumps({"images": ["YQ=="] * 5})) == (413, "the body has 5 images, the most is 4")


def test_the_limit_of_bytes_is_that_of_the_images_in_the_body(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path, max_body_bytes=len(GOLDEN)))) as running:
        assert labels(running.post("/detect", json={"image": TEXT})) == ["red", "green"]
        longer = base64.b64encode(GOLDEN + b"x").decode()
        assert "the images have more than" in problem(running.post("/detect", json={"image": longer}), 413)
        huge = {"image": "A" * (2 * len(GOLDEN) + 2**16)}
        assert "the body is larger than" in problem(running.post("/detect", json=huge), 413)


def test_a_large_image_in_json_counts_as_its_bytes_and_leaves_nothing(tiny_bundle: Bundle) -> None:
    app = create_app(settings(tiny_bundle.path))
    content = GOLDEN + b"\0" * 500_000
    with AsgiClient(app) as running:
        assert labels(running.post("/detect", json={"image": base64.b64encode(content).decode()})) == ["red", "green"]
        assert app.state.server.bodies.num_bytes == 0


def test_the_memory_of_json_counts_against_the_limit_of_all_bodies(tiny_bundle: Bundle) -> None:
    app = create_app(settings(tiny_bundle.path, max_body_bytes_in_flight=3 * len(TEXT)))
    body: dict[str, Any] = {"image": TEXT}
    with AsgiClient(app) as running:
        assert labels(running.post("/detect", json=body)) == ["red", "green"]  # alone, any size is accepted
        with app.state.server.bodies.share() as share:
            share.add(1)
            assert "bytes" in problem(running.post("/detect", json=body), 503)
