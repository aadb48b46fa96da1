"""POST /detect: its answers, its choice of a model, its deadline."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.image_files import encode
from tests.service.served_app import GOLDEN, HALF_RED, problem, settings
from tests.tiny_bundle import golden_image, png


def test_a_raw_body_gives_boxes_in_image_pixels(client: AsgiClient) -> None:
    large = png(golden_image().repeat(2, axis=0).repeat(3, axis=1))
    response = client.post("/detect", content=large, headers={"Content-Type": "image/png"})
    assert response.status_code == 200
    assert response.json() == {
        "model": "tiny",
        "version": "1",
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


def test_the_answer_is_plain_json_with_finite_numbers(client: AsgiClient) -> None:
    body = client.post("/detect?score_threshold=0", content=HALF_RED).content
    json.loads(body, parse_constant=lambda name: pytest.fail(name))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_of_png_is_answered(client: AsgiClient, mode: str) -> None:
    body = encode(Image.fromarray(golden_image()).convert(mode), "PNG")
    assert client.post("/detect", content=body).status_code == 200


def test_a_1_by_1_image_is_answered(client: AsgiClient) -> None:
    response = client.post("/detect", content=encode(Image.new("RGB", (1, 1), "red"), "PNG"))
    boxes = [detection["box"] for detection in response.json()["results"][0]["detections"]]
    assert all(0 <= box["x1"] <= box["x2"] <= 1 for box in boxes)


def test_another_model_is_chosen_by_name(client: AsgiClient) -> None:
    response = client.post("/detect", params={"model": "second"}, content=GOLDEN)
    assert response.json()["model"] == "second"


def test_an_unknown_model_is_a_404_that_lists_the_names(client: AsgiClient) -> None:
    assert "tiny, second" in problem(client.post("/detect", params={"model": "third"}, content=GOLDEN), 404)


@pytest.mark.parametrize("size", [(65_501, 1), (1, 65_501)])
def test_format_image_of_an_image_that_no_jpeg_holds_is_a_422(client: AsgiClient, size: tuple[int, int]) -> None:
    body = encode(Image.new("RGB", size), "PNG")
    assert "at most 65500" in problem(client.post("/detect?format=image", content=body), 422)
    assert client.post("/detect", content=body).status_code == 200


def test_format_image_of_the_longest_jpeg_is_answered(client: AsgiClient) -> None:
    body = encode(Image.new("RGB", (65_500, 1)), "PNG")
    assert client.post("/detect?format=image", content=body).headers["content-type"] == "image/jpeg"


def test_format_image_gives_the_image_with_its_boxes(client: AsgiClient) -> None:
    response = client.post("/detect?format=image", content=png(golden_image().repeat(4, axis=0).repeat(4, axis=1)))
    assert response.headers["content-type"] == "image/jpeg"
    drawn = np.asarray(Image.open(io.BytesIO(response.content)))
    assert drawn.shape == (256, 256, 3)
    assert np.abs(drawn[100, 64].astype(int) - (230, 159, 0)).max() < 60  # the left side of the red block's box


def test_format_image_takes_one_image_a_request(client: AsgiClient) -> None:
    files = [("f", ("a.png", GOLDEN)), ("f", ("b.png", GOLDEN))]
    assert "one image" in problem(client.post("/detect?format=image", files=files), 422)


def test_candidates_are_not_counted_as_detections(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path))) as client:
        client.post("/detect?nms=none&score_threshold=0.05", content=GOLDEN)
        assert "singleshot_detections_total{" not in client.get("/metrics").text
        client.post("/detect", content=GOLDEN)
        assert 'singleshot_detections_total{label="red",model="tiny",version="1"} 1.0' in client.get("/metrics").text


def test_a_deadline_that_cannot_be_met_is_a_503_or_504(client: AsgiClient) -> None:
    large = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (250, 250, 3), dtype=np.uint8)), "PNG")
    response = client.post("/detect", content=large, headers={"X-Request-Timeout-Ms": "1"})
    assert response.status_code in (503, 504)
    problem(response, response.status_code)


def test_several_images_that_cannot_meet_the_deadline_are_one_problem(client: AsgiClient) -> None:
    large = encode(Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 120, 3), dtype=np.uint8)), "PNG")
    files = [("f", (f"{i}.png", large)) for i in range(4)]
    response = client.post("/detect", files=files, headers={"X-Request-Timeout-Ms": "1"})
    assert response.status_code in (503, 504)
    problem(response, response.status_code)
