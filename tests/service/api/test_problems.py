"""Errors of the framework and of the server's own code, as the client sees them."""

import pytest
from PIL import Image

from service.api.app import create_app
from service.api.problems import problem_of
from service.bundle import Bundle
from service.errors import ImageError
from tests.asgi_client import AsgiClient
from tests.service.image_files import encode
from tests.service.served_app import problem, settings


def test_unknown_paths_and_methods_are_problems(client: AsgiClient) -> None:
    problem(client.get("/nothing"), 404)
    response = client.get("/detect")
    problem(response, 405)
    assert response.headers["allow"] == "POST"
    for method in ("POST", "OPTIONS", "TRACE"):
        response = client.request(method, "/healthz")
        problem(response, 405)
        assert response.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/detect/", "/healthz/", "/models/tiny/golden/", "/v2/health/live/", "/docs/"])
def test_a_slash_at_the_end_is_a_404(client: AsgiClient, path: str) -> None:
    for method in ("GET", "POST"):
        response = client.request(method, path, headers={"Host": "evil.example"})
        problem(response, 404)
        assert "location" not in response.headers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/page/style.css",
        "/healthz",
        "/readyz",
        "/metrics",
        "/models",
        "/models/tiny/golden",
        "/docs",
        "/openapi.json",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/tiny",
        "/v2/models/tiny/ready",
        "/v2/models/tiny/versions/1/ready",
        "/nothing",
        "/detect",
    ],
)
def test_head_is_get_without_the_body(client: AsgiClient, path: str) -> None:
    get, head = client.get(path), client.request("HEAD", path)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-type", "etag", "allow"):
        assert head.headers.get(name) == get.headers.get(name)
    if path not in ("/metrics", "/models"):  # their length may change
        assert head.headers["content-length"] == get.headers["content-length"]


def test_a_head_request_is_counted_under_its_route(client: AsgiClient) -> None:
    client.request("HEAD", "/v2/models/tiny/ready")
    assert (
        'code="200",le="+Inf",model="",protocol="http",route="/v2/models/{name}/ready",version=""'
        in client.get("/metrics").text
    )


def test_text_of_the_client_in_a_problem_is_shortened(client: AsgiClient) -> None:
    request = {"inputs": [{"name": "n" * 100_000, "datatype": "BYTES", "shape": [1], "data": ["aa=="]}]}
    response = client.post("/v2/models/tiny/infer", json=request)
    assert "characters more" in problem(response, 400)
    assert len(response.content) < 8000


@pytest.mark.parametrize("error", [MemoryError(), ImageError(503, "too little memory")])
def test_a_lack_of_memory_is_a_503_with_a_time_to_retry(error: Exception) -> None:
    problem_503 = problem_of(error)
    assert problem_503.status == 503
    assert "memory" in problem_503.detail
    assert int(problem_503.headers["Retry-After"]) >= 1


def test_an_unexpected_error_is_a_500_without_a_stack_trace(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings(tiny_bundle.path))

    @app.get("/broken")
    async def broken() -> None:
        raise ZeroDivisionError("secret")

    with AsgiClient(app) as client:
        response = client.get("/broken")
    assert "secret" not in problem(response, 500)
    (record,) = caplog.records
    assert record.message == "the request failed"
    assert record.exc_info is not None


def test_an_image_for_which_memory_is_short_may_be_sent_again(
    client: AsgiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("simplejpeg.decode_jpeg", fail)
    response = client.post("/detect", content=encode(Image.new("RGB", (8, 8)), "JPEG"))
    assert "not enough memory" in problem(response, 503)
    assert response.headers["retry-after"] == "1"
