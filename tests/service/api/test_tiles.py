"""The parameter tile of POST /detect: large images in overlapping tiles."""

import io
import logging
import re
from base64 import b64encode

import numpy as np
import pytest
from PIL import Image

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN, labels, problem, settings
from tests.tiny_bundle import CLASSES, png

LARGE = np.zeros((208, 256, 3), np.uint8)  # in tiles of 64 pixels: four rows and five columns, and itself
LARGE[104:120, 152:168, 0] = 255
LARGE[192:208, 0:16, 1] = 255
NUM_VIEWS = 21
FOUND = {("red", 152.0, 104.0, 168.0, 120.0), ("green", 0.0, 192.0, 16.0, 208.0)}


def found_in(result: dict[str, object]) -> set[tuple[object, ...]]:
    """The labels and the boxes of a result."""
    rows = result["detections"]
    assert isinstance(rows, list)
    return {(row["label"], *row["box"].values()) for row in rows}


def test_tiles_find_what_is_too_small_in_the_whole_image(client: AsgiClient) -> None:
    body = png(LARGE)
    assert labels(client.post("/detect", content=body)) == []
    response = client.post("/detect?tile=64", content=body)
    (result,) = response.json()["results"]
    assert found_in(result) == FOUND
    assert (result["width"], result["height"], result["views"]) == (256, 208, NUM_VIEWS)
    assert 'desc="batch of 2"' in response.headers["server-timing"]


def test_automatic_tiles_are_twice_as_large_as_the_input(client: AsgiClient) -> None:
    image = np.zeros((256, 320, 3), np.uint8)
    image[96:128, 144:176, 0] = 255
    (result,) = client.post("/detect?tile=auto", content=png(image)).json()["results"]
    assert result["views"] == 1 + 3 * 3
    assert {row["label"] for row in result["detections"]} == {"red"}


@pytest.mark.parametrize("query", ["", "nms=none&score_threshold=0.1&", "format=image&"])
def test_an_image_within_a_tile_is_answered_as_without_tiles(client: AsgiClient, query: str) -> None:
    plain = client.post(f"/detect?{query}", content=GOLDEN)
    tiled = client.post(f"/detect?{query}tile=auto", content=GOLDEN)
    if query.startswith("format"):
        assert tiled.content == plain.content
    else:
        (wanted,), (result,) = plain.json()["results"], tiled.json()["results"]
        assert result == wanted | {"views": 1}
        assert "views" not in wanted


def test_each_image_of_a_request_has_its_own_views(client: AsgiClient) -> None:
    files = [("image", (name, body)) for name, body in (("a", png(LARGE)), ("b", b"no image"), ("c", GOLDEN))]
    large, broken, small = client.post("/detect?tile=64", files=files).json()["results"]
    assert found_in(large) == FOUND
    assert (large["views"], small["views"]) == (NUM_VIEWS, 1)
    assert broken["error"]["status"] == 415
    assert "views" not in broken


def test_an_image_is_upright_before_it_is_cut(client: AsgiClient) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by a quarter
    Image.fromarray(np.ascontiguousarray(np.rot90(LARGE))).save(file, "PNG", exif=exif)
    (result,) = client.post("/detect?tile=64", content=file.getvalue()).json()["results"]
    assert found_in(result) == FOUND


def test_the_drawn_image_shows_what_only_tiles_find(client: AsgiClient) -> None:
    response = client.post("/detect?tile=64&format=image", content=png(LARGE))
    drawn = np.asarray(Image.open(io.BytesIO(response.content)).convert("RGB"))
    assert drawn.shape == LARGE.shape
    assert np.abs(drawn.astype(int) - LARGE).max() > 100
    assert re.search(r"infer;dur=[\d.]+;desc=\"batch of \d\", postprocess;.*, draw;", response.headers["server-timing"])


def test_candidates_of_tiles_are_without_the_boxes_that_others_cover(client: AsgiClient) -> None:
    (result,) = client.post("/detect?tile=64&nms=none&score_threshold=0.9", content=png(LARGE)).json()["results"]
    assert found_in(result) == FOUND


def test_more_views_than_may_wait_are_refused_with_the_smallest_tile_before_decoding(tiny_bundle: Bundle) -> None:
    cut_short = png(LARGE)[:200]  # its header is whole
    with AsgiClient(create_app(settings(tiny_bundle.path, max_queue=20))) as client:
        detail = problem(client.post("/detect?tile=64", content=cut_short), 422)
        assert f"256×208 pixels has {NUM_VIEWS} views in tiles of 64 pixels, and this server takes at most 20" in detail
        smallest = re.search(r"tile=(\d+) or more", detail)
        assert smallest is not None
        allowed, refused = int(smallest[1]), int(smallest[1]) - 1
        assert problem(client.post(f"/detect?tile={refused}", content=cut_short), 422) != problem(
            client.post(f"/detect?tile={allowed}", content=cut_short), 422
        )
        (result,) = client.post(f"/detect?tile={allowed}", content=png(LARGE)).json()["results"]
        assert 1 < result["views"] <= 20
        (result,) = client.post("/detect?tile=auto", content=png(LARGE)).json()["results"]
        assert 1 < result["views"] <= 20
        assert problem(client.post("/detect?tile=1", content=cut_short), 422)


def test_the_views_of_all_images_of_a_request_count_together(tiny_bundle: Bundle) -> None:
    files = [("image", (f"{number}", png(LARGE))) for number in range(3)]
    with AsgiClient(create_app(settings(tiny_bundle.path, max_queue=50))) as client:
        detail = problem(client.post("/detect?tile=64", files=files), 422)
        assert f"the 3 images have {3 * NUM_VIEWS} views together" in detail
        assert "send fewer images at once, or tile=" in detail
        assert client.post("/detect?tile=64", files=files[:2]).status_code == 200


@pytest.mark.parametrize("tile", ["0", "-1", "large", "1.5", ""])
def test_another_tile_is_a_422(client: AsgiClient, tile: str) -> None:
    detail = problem(client.post("/detect", params={"tile": tile}, content=GOLDEN), 422)
    assert detail == "tile: should be auto or a number of pixels from 1 up"


def test_a_broken_image_in_tiles_is_a_422(client: AsgiClient) -> None:
    assert "broken" in problem(client.post("/detect?tile=64", content=png(LARGE)[:200]), 422)
    assert problem(client.post("/detect?tile=64", content=b"no image"), 415)


def test_the_stages_and_the_views_of_a_tiled_image_are_counted_once(
    client: AsgiClient, caplog: pytest.LogCaptureFixture
) -> None:
    def number(name: str) -> float:
        pattern = rf"^singleshot_{re.escape(name)} (\S+)$"
        found = re.search(pattern, client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    counted = 'stage_duration_seconds_count{{model="tiny",stage="{}",version="1"}}'
    series = [counted.format(stage) for stage in ("decode", "queue", "infer", "postprocess")]
    series.append('batch_size_sum{model="tiny",version="1"}')
    before = [number(name) for name in series]
    with caplog.at_level(logging.INFO, "singleshot"):
        response = client.post("/detect?tile=64", content=png(LARGE))
    after = [number(name) for name in series]
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1, NUM_VIEWS]
    (line,) = [record for record in caplog.records if getattr(record, "event", "") == "request"]
    assert vars(line)["views"] == NUM_VIEWS
    assert set(vars(line)["stages"]) == {"decode", "queue", "infer", "postprocess"}
    assert response.status_code == 200


def test_tiles_are_a_parameter_of_the_open_inference_protocol(client: AsgiClient) -> None:
    image = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [b64encode(png(LARGE)).decode()]}
    wanted = {"inputs": [image], "parameters": {"tile": 64}}
    answer = client.post("/v2/models/tiny/infer", json=wanted).json()
    outputs = {output["name"]: output for output in answer["outputs"]}
    boxes = np.array(outputs["boxes"]["data"]).reshape(-1, 4)
    names = [CLASSES[label] for label in outputs["labels"]["data"]]
    assert {(name, *box) for name, box in zip(names, boxes.tolist(), strict=True)} == FOUND
    for tile in ("large", True):
        wanted = {"inputs": [image], "parameters": {"tile": tile}}
        assert "parameters.tile: should be auto" in problem(client.post("/v2/models/tiny/infer", json=wanted), 400)


def test_without_a_number_each_view_may_add_to_the_detections(client: AsgiClient) -> None:
    image = np.zeros((448, 448, 3), np.uint8)
    for top in range(24, 448, 48):  # one in each tile
        for left in range(24, 448, 48):
            image[top : top + 16, left : left + 16, :2] = 255  # red and green
    for query, count in (("", 2 * 81), ("&max_detections=100", 100)):
        (result,) = client.post(f"/detect?tile=64{query}", content=png(image)).json()["results"]
        assert len(result["detections"]) == count
