"""The HTTP interface, in process."""

import asyncio
import io
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from service.api.app import create_app
from service.api.schemas import DetectResponse, ModelList, ProblemDetails
from service.bundle import Bundle, BundleError
from service.settings import Settings
from tests.asgi_client import AsgiClient
from tests.service.detection.test_preprocess import encode, png_header
from tests.service.faulty_engine import FaultyEngines
from tests.service.wait import wait_until
from tests.tiny_bundle import golden_image, png, write_tiny_bundle

GOLDEN = png(golden_image())
HALF_RED = png(np.full((64, 64, 3), (180, 0, 0), np.uint8))


def settings(*bundles: Path, **changes: Any) -> Settings:
    return Settings(
        bundles=tuple(str(path) for path in bundles), engine="onnx", engine_threads=1, max_batch=2, **changes
    )


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiClient]:
    second = write_tiny_bundle(tmp_path_factory.mktemp("more") / "second", name="second", resize="letterbox")
    limits = settings(tiny_bundle.path, second.path, max_body_bytes=200_000, max_pixels=1_000_000, max_files=4)
    with AsgiClient(create_app(limits)) as running:
        yield running


def problem(response: httpx.Response, status: int) -> str:
    """Check that the response is a problem of that status -> its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    details = ProblemDetails.model_validate_json(response.content)
    assert details.status == status
    assert details.request_id == response.headers["x-request-id"]
    assert "Traceback" not in response.text
    return details.detail


def labels(response: httpx.Response) -> list[str]:
    assert response.status_code == 200, response.text
    (result,) = DetectResponse.model_validate_json(response.content).results
    return [detection.label for detection in result.detections]


def test_a_raw_body_gives_boxes_in_image_pixels(client: AsgiClient) -> None:
    large = png(golden_image().repeat(2, axis=0).repeat(3, axis=1))
    response = client.post("/detect", content=large, headers={"Content-Type": "image/png"})
    assert response.status_code == 200
    assert response.json() == {
        "model": "tiny",
        "results": [
            {
                "filename": None,
                "width": 192,
                "height": 128,
                "detections": [
                    {"label": label, "class_id": class_id, "score": 1.0, "box": box}
                    for label, class_id, box in (
                        ("red", 0, {"x1": 48.0, "y1": 32.0, "x2": 96.0, "y2": 64.0}),
                        ("green", 1, {"x1": 120.0, "y1": 80.0, "x2": 168.0, "y2": 112.0}),
                    )
                ],
            }
        ],
    }


def test_the_headers_say_the_id_and_the_stages(client: AsgiClient) -> None:
    response = client.post("/detect", content=GOLDEN, headers={"X-Request-Id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    stages = re.findall(r"(\w+);dur=[\d.]+", response.headers["server-timing"])
    assert stages == ["decode", "queue", "infer", "postprocess"]


def test_a_strange_request_id_is_replaced(client: AsgiClient) -> None:
    response = client.get("/healthz", headers={"X-Request-Id": "a b" * 100})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


def test_several_files_are_answered_in_their_order(client: AsgiClient) -> None:
    red_only = golden_image()
    red_only[..., 1] = 0
    files = [("a", ("one.png", GOLDEN)), ("a", ("two.png", png(red_only))), ("b", ("three.png", GOLDEN))]
    response = client.post("/detect", files=files)
    results = DetectResponse.model_validate_json(response.content).results
    assert [(result.filename, len(result.detections)) for result in results] == [
        ("one.png", 2),
        ("two.png", 1),
        ("three.png", 2),
    ]


def test_a_bad_image_among_several_has_its_own_error(client: AsgiClient) -> None:
    response = client.post(
        "/detect", files=[("f", ("good.png", GOLDEN)), ("f", ("bad.txt", b"hello")), ("f", ("cut.png", GOLDEN[:60]))]
    )
    assert response.status_code == 200
    good, bad, cut = DetectResponse.model_validate_json(response.content).results
    assert good.error is None
    assert len(good.detections) == 2
    assert bad.error is not None
    assert (bad.error.status, bad.width, bad.detections) == (415, None, [])
    assert cut.error is not None
    assert cut.error.status == 422
    assert "error" not in response.json()["results"][0]


def test_a_single_file_may_come_as_multipart(client: AsgiClient) -> None:
    assert labels(client.post("/detect", files={"image": ("a.png", GOLDEN)})) == ["red", "green"]
    assert problem(client.post("/detect", files={"image": ("a.png", b"hello")}), 415)


def test_another_model_is_chosen_by_name(client: AsgiClient) -> None:
    response = client.post("/detect", params={"model": "second"}, content=GOLDEN)
    assert response.json()["model"] == "second"


def test_an_unknown_model_is_a_404_that_lists_the_names(client: AsgiClient) -> None:
    assert "tiny, second" in problem(client.post("/detect", params={"model": "third"}, content=GOLDEN), 404)


def test_the_score_threshold_is_the_requests(client: AsgiClient) -> None:
    assert len(labels(client.post("/detect", content=GOLDEN))) == 2
    assert len(labels(client.post("/detect?score_threshold=0.01", content=GOLDEN))) > 2


def test_a_class_may_have_its_own_threshold(client: AsgiClient) -> None:
    query = "/detect?score_threshold=1&class_thresholds=red:0.05"
    assert set(labels(client.post(query, content=GOLDEN))) == {"red", "green"}
    assert labels(client.post(query, content=GOLDEN)).count("green") == 1
    assert labels(client.post("/detect?class_thresholds=red:1,green:0.9&score_threshold=0", content=GOLDEN)) == [
        "red",
        "green",
    ]


@pytest.mark.parametrize("value", ["red", "red:", "red:2", "red:nan", "blue:0.5", ":0.5"])
def test_a_bad_class_threshold_is_a_422(client: AsgiClient, value: str) -> None:
    problem(client.post("/detect", params={"class_thresholds": value}, content=GOLDEN), 422)


def test_max_detections_keeps_the_best(client: AsgiClient) -> None:
    assert len(labels(client.post("/detect?max_detections=1", content=GOLDEN))) == 1


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("classes=green", ["green"]),
        ("classes=red,green", ["red", "green"]),
        ("classes=red&classes=green", ["red", "green"]),
    ],
)
def test_only_wanted_classes_are_answered(client: AsgiClient, query: str, expected: list[str]) -> None:
    assert labels(client.post(f"/detect?{query}", content=GOLDEN)) == expected


def test_an_unknown_class_is_refused_with_the_known_ones(client: AsgiClient) -> None:
    assert "red, green" in problem(client.post("/detect?classes=blue", content=GOLDEN), 422)


def test_hard_nms_leaves_fewer_boxes_than_soft(client: AsgiClient) -> None:
    query = "/detect?score_threshold=0.05&iou_threshold=0.1&nms="
    counts = {
        method: len(labels(client.post(query + method, content=HALF_RED))) for method in ("hard", "soft", "linear")
    }
    assert counts["hard"] < counts["soft"]
    assert counts["hard"] < counts["linear"]


def test_without_nms_the_candidates_are_answered_which_nms_would_see(client: AsgiClient) -> None:
    query = "/detect?score_threshold=0.05&nms=none"
    (result,) = DetectResponse.model_validate_json(client.post(query, content=HALF_RED).content).results
    assert len(result.detections) == 20  # all that the model gives
    assert {detection.score for detection in result.detections} == {result.detections[0].score}  # none has decayed
    assert len(labels(client.post(f"{query}&max_detections=3", content=HALF_RED))) == 3
    assert labels(client.post("/detect?score_threshold=0.9&nms=none", content=HALF_RED)) == []


def test_candidates_are_not_counted_as_detections(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path))) as client:
        client.post("/detect?nms=none&score_threshold=0.05", content=GOLDEN)
        assert "singleshot_detections_total{" not in client.get("/metrics").text
        client.post("/detect", content=GOLDEN)
        assert 'singleshot_detections_total{label="red",model="tiny"} 1.0' in client.get("/metrics").text


def test_a_narrow_sigma_lowers_the_scores(client: AsgiClient) -> None:
    def scores(sigma: float) -> list[float]:
        response = client.post(f"/detect?score_threshold=0&sigma={sigma}", content=HALF_RED)
        return [detection["score"] for detection in response.json()["results"][0]["detections"]]

    assert sum(scores(0.05)) < sum(scores(5))


@pytest.mark.parametrize(
    "query",
    ["score_threshold=2", "max_detections=0", "nms=weak", "sigma=0", "iou_threshold=nan", "format=xml", "treshold=1"],
)
def test_a_bad_parameter_is_a_422_that_names_it(client: AsgiClient, query: str) -> None:
    assert query.partition("=")[0] in problem(client.post(f"/detect?{query}", content=GOLDEN), 422)


def test_the_picture_comes_back_with_its_boxes(client: AsgiClient) -> None:
    response = client.post("/detect?format=image", content=png(golden_image().repeat(4, axis=0).repeat(4, axis=1)))
    assert response.headers["content-type"] == "image/jpeg"
    drawn = np.asarray(Image.open(io.BytesIO(response.content)))
    assert drawn.shape == (256, 256, 3)
    assert np.abs(drawn[100, 64].astype(int) - (230, 159, 0)).max() < 60  # the left side of the red block's box


def test_several_pictures_cannot_come_back_as_one(client: AsgiClient) -> None:
    files = [("f", ("a.png", GOLDEN)), ("f", ("b.png", GOLDEN))]
    assert "one image" in problem(client.post("/detect?format=image", files=files), 422)


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
def test_a_bad_body_is_a_clear_error(client: AsgiClient, body: bytes, status: int, words: str) -> None:
    assert words in problem(client.post("/detect", content=body), status)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_is_answered(client: AsgiClient, mode: str) -> None:
    assert (
        client.post("/detect", content=encode(Image.fromarray(golden_image()).convert(mode), "PNG")).status_code == 200
    )


def test_a_1_by_1_image_is_answered(client: AsgiClient) -> None:
    response = client.post("/detect", content=encode(Image.new("RGB", (1, 1), "red"), "PNG"))
    boxes = [detection["box"] for detection in response.json()["results"][0]["detections"]]
    assert all(0 <= box["x1"] <= box["x2"] <= 1 for box in boxes)


def test_a_body_without_a_length_is_bounded_too(client: AsgiClient) -> None:
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
    assert (
        "multipart"
        in problem(client.post("/detect", content=body, headers={"Content-Type": content_type}), 400).lower()
    )


def test_a_form_that_ends_inside_a_file_is_a_400(client: AsgiClient) -> None:
    part = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.png"\r\n\r\n' + GOLDEN + b"\r\n"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert "ends inside" in problem(client.post("/detect", content=part + part, headers=headers), 400)


def test_too_many_files_are_a_400(client: AsgiClient) -> None:
    files = [("f", (f"{i}.png", GOLDEN)) for i in range(5)]
    assert "Maximum number of files is 4" in problem(client.post("/detect", files=files), 400)


def test_a_deadline_that_cannot_be_met_is_a_503_or_504(client: AsgiClient) -> None:
    large = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (250, 250, 3), dtype=np.uint8)), "PNG")
    response = client.post("/detect", content=large, headers={"X-Request-Timeout-Ms": "1"})
    assert response.status_code in (503, 504)
    problem(response, response.status_code)


def test_several_images_that_cannot_be_in_time_are_one_problem(client: AsgiClient) -> None:
    large = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)), "PNG")
    files = [("f", (f"{i}.png", large)) for i in range(4)]
    response = client.post("/detect", files=files, headers={"X-Request-Timeout-Ms": "1"})
    assert response.status_code in (503, 504)
    problem(response, response.status_code)


@pytest.mark.parametrize("value", ["0", "-5", "soon", "600001", "9" * 5000])
def test_a_senseless_deadline_is_a_422(client: AsgiClient, value: str) -> None:
    assert "X-Request-Timeout-Ms" in problem(
        client.post("/detect", content=GOLDEN, headers={"X-Request-Timeout-Ms": value}), 422
    )


def test_unknown_paths_and_methods_are_problems_too(client: AsgiClient) -> None:
    problem(client.get("/nothing"), 404)
    response = client.get("/detect")
    problem(response, 405)
    assert response.headers["allow"] == "POST"


def test_the_models_are_listed_with_the_default_first(client: AsgiClient) -> None:
    models = ModelList.model_validate_json(client.get("/models").content).models
    assert [(model.name, model.is_default, model.engine) for model in models] == [
        ("tiny", True, "onnx"),
        ("second", False, "onnx"),
    ]
    assert models[0].classes == ["red", "green"]


def test_health_and_readiness_are_answered(client: AsgiClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_the_page_and_the_documentation_are_served(client: AsgiClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"(src|<link[^>]* href)=.?https?:", page.text)  # it works without a network
    assert client.get("/docs").status_code == 200


def test_all_that_the_page_names_is_served_and_allowed_by_its_policy(client: AsgiClient) -> None:
    page = client.get("/")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert not re.search(r"<style|<script>|\s(style|on\w+)=", page.text)
    names = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert names
    for name in names:
        assert client.get(f"/{name}").status_code == 200, name


def test_an_unchanged_page_is_not_sent_again(client: AsgiClient) -> None:
    etag = client.get("/").headers["etag"]
    again = client.get("/", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.js", "..%2fapp.py", "%2e%2e"])
def test_nothing_but_the_pages_files_is_served_beside_it(client: AsgiClient, name: str) -> None:
    problem(client.get(f"/page/{name}"), 404)


def test_each_model_has_its_golden_picture_as_an_example(client: AsgiClient) -> None:
    example = client.get("/models/tiny/golden")
    assert example.headers["content-type"] == "image/png"
    assert example.content.startswith(b"\x89PNG")
    assert "tiny" in problem(client.get("/models/other/golden"), 404)


def test_openapi_describes_what_detect_takes_and_gives(client: AsgiClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/detect"]["post"]
    assert "multipart/form-data" in operation["requestBody"]["content"]
    assert {"model", "score_threshold", "classes", "nms", "format"} <= {
        item["name"] for item in operation["parameters"]
    }
    assert {"200", "413", "415", "422", "503", "504"} <= set(operation["responses"])


def test_metrics_count_requests_stages_batches_and_detections(client: AsgiClient) -> None:
    client.post("/detect", content=GOLDEN)
    client.get("/no/such/path/of/mine")
    text = client.get("/metrics").text
    for line in (
        'singleshot_request_duration_seconds_bucket{code="200",le="0.0005",route="/detect"}',
        'singleshot_stage_duration_seconds_count{stage="infer"}',
        'singleshot_detections_total{label="red",model="tiny"}',
        'singleshot_detection_score_bucket{le="1",model="tiny"}',
        'singleshot_detection_score_sum{model="tiny"}',
        'singleshot_model_info{description="cpu, fp32",engine="onnx",model="tiny",version="1"} 1.0',
        'singleshot_queue_depth{model="tiny"} 0.0',
        'singleshot_batch_size_count{model="tiny"}',
        'singleshot_worker_busy_seconds_total{model="tiny"}',
        "singleshot_inflight_pixels 0.0",
        "singleshot_ready 1.0",
    ):
        assert line in text
    assert "mine" not in text


def test_too_many_requests_at_once_are_turned_away_before_their_bodies(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path, max_requests=1))
        is_reading, may_end = asyncio.Event(), asyncio.Event()

        async def slow_body() -> AsyncIterator[bytes]:
            is_reading.set()
            await may_end.wait()
            yield GOLDEN

        transport = httpx.ASGITransport(app)
        async with (
            app.state.server.running(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            first = asyncio.create_task(client.post("/detect", content=slow_body()))
            await is_reading.wait()
            response = await client.post("/detect", content=GOLDEN)
            assert "busy" in problem(response, 503)
            assert int(response.headers["retry-after"]) >= 1
            may_end.set()
            assert (await first).status_code == 200

    asyncio.run(run())


def test_a_request_that_would_be_refused_is_refused_before_its_body_is_there(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        engines = FaultyEngines()
        app = create_app(settings(tiny_bundle.path, max_queue=1, engine_streams=1), engines)
        (engine,) = engines.opened
        engine.has_begun.clear()
        engine.may_run.clear()

        async def body_that_never_comes() -> AsyncIterator[bytes]:
            await asyncio.Event().wait()
            yield b""

        transport = httpx.ASGITransport(app)
        async with (
            app.state.server.running(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            running = asyncio.create_task(client.post("/detect", content=GOLDEN))
            await asyncio.to_thread(engine.has_begun.wait, 60)
            waiting = asyncio.create_task(client.post("/detect", content=GOLDEN))
            model = app.state.server.repository.choose(None)
            await asyncio.to_thread(wait_until, lambda: model.depth > 0)
            patience = {"X-Request-Timeout-Ms": "60000"}
            response = await client.post("/detect", content=body_that_never_comes(), headers=patience)
            assert "waiting already" in problem(response, 503)
            assert int(response.headers["retry-after"]) >= 1
            engine.may_run.set()
            assert [(await running).status_code, (await waiting).status_code] == [200, 200]

    asyncio.run(run())


def test_a_client_that_trickles_its_body_is_cut_off(tiny_bundle: Bundle) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path, receive_seconds=0.02))

        async def endless_body() -> AsyncIterator[bytes]:
            yield GOLDEN[:10]
            await asyncio.Event().wait()

        transport = httpx.ASGITransport(app)
        async with (
            app.state.server.running(app),
            httpx.AsyncClient(transport=transport, base_url="http://test") as client,
        ):
            assert "did not arrive" in problem(await client.post("/detect", content=endless_body()), 408)

    asyncio.run(run())


def test_a_departed_client_is_counted_and_nothing_is_logged(
    tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        app = create_app(settings(tiny_bundle.path))
        messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        messages.put_nowait({"type": "http.request", "body": GOLDEN, "more_body": False})
        messages.put_nowait({"type": "http.disconnect"})
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
        }
        async with app.state.server.running(app):
            await app(scope, messages.get, send)
        assert sent[0]["status"] == 499

    with caplog.at_level(logging.WARNING):
        asyncio.run(run())
    assert not caplog.records


def test_readiness_ends_before_the_server_does(tiny_bundle: Bundle) -> None:
    app = create_app(settings(tiny_bundle.path))
    with AsgiClient(app) as client:
        app.state.server.is_draining = True
        assert "shutting down" in problem(client.get("/readyz"), 503)
        assert client.get("/healthz").status_code == 200
        response = client.post("/detect", content=GOLDEN)
        assert len(labels(response)) == 2
        assert response.headers["connection"] == "close"


def test_an_unforeseen_error_is_a_500_without_a_trace(tiny_bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
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


def test_two_bundles_of_one_name_are_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    again = write_tiny_bundle(tmp_path / "again")
    with pytest.raises(BundleError, match="a model named tiny is served already"):
        create_app(settings(tiny_bundle.path, again.path))


def test_the_answer_is_plain_json_with_finite_numbers(client: AsgiClient) -> None:
    json.loads(
        client.post("/detect?score_threshold=0", content=HALF_RED).content,
        parse_constant=lambda name: pytest.fail(name),
    )
