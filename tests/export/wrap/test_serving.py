"""The server's detections of wrapped models are those that are computed by hand from the models' own outputs."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from tests.asgi_client import AsgiClient
from tests.export.wrap.conftest import Made
from tests.export.wrap.networks import CLASSES, HEIGHT, WIDTH, picture
from tests.service.served_app import settings
from tests.tiny_bundle import png

Row = tuple[str, float, tuple[float, ...]]


@pytest.fixture(scope="module")
def client(yolo: Made, detr_with_mask: Made) -> Iterator[AsgiClient]:
    with AsgiClient(create_app(settings(yolo.bundle.path, detr_with_mask.bundle.path))) as running:
        yield running


def served(client: AsgiClient, model: str, image: NDArray[np.uint8]) -> list[Row]:
    """The server's detections at full precision; /detect rounds them."""
    file = {"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(png(image)).decode()]}
    response = client.post(f"/v2/models/{model}/infer", json={"inputs": [file]})
    assert response.status_code == 200, response.text
    tensors = {tensor["name"]: np.reshape(tensor["data"], tensor["shape"])[0] for tensor in response.json()["outputs"]}
    rows = zip(tensors["class_names"], tensors["scores"], tensors["boxes"], strict=True)
    return [(str(name), float(score), tuple(box)) for name, score, box in rows]


def check_equal(found: list[Row], expected: list[Row]) -> None:
    assert len(found) == len(expected) > 5
    assert [row[0] for row in found] == [row[0] for row in expected]
    np.testing.assert_allclose([row[1] for row in found], [row[1] for row in expected], atol=1e-4)
    np.testing.assert_allclose([row[2] for row in found], [row[2] for row in expected], atol=1e-3)


def test_a_yolo_s_detections_are_those_computed_by_hand(client: AsgiClient, yolo: Made) -> None:
    small = picture(64, 80)
    image = small.repeat(2, axis=0).repeat(2, axis=1)  # 128×160: its half covers the 80 columns in the input's middle
    pixels = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
    pixels[:, 8:88] = small
    (rows,) = run(yolo, {"images": (pixels / np.float32(255)).transpose(2, 0, 1)[None]})
    candidates = []
    for cx, cy, w, h, *scores in rows[0].T:
        box = 2 * (cx - 8 - w / 2), 2 * (cy - h / 2), 2 * (cx - 8 + w / 2), 2 * (cy + h / 2)
        candidates += [(CLASSES[label], score, box) for label, score in enumerate(scores) if score >= 0.3]
    expected: list[Row] = []
    for name, score, box in sorted(candidates, key=lambda row: -row[1]):
        if all(other != name or overlap(kept, box) <= 0.45 for other, _, kept in expected):
            expected.append((name, score, box))
    check_equal(served(client, "yolo", image), [(name, score, clipped(box)) for name, score, box in expected[:100]])


def test_a_detr_s_detections_are_those_computed_by_hand(client: AsgiClient, detr_with_mask: Made) -> None:
    image = picture()
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    values = ((image / np.float32(255) - mean) / std).transpose(2, 0, 1)[None]
    mask = np.ones((1, HEIGHT, WIDTH), np.int64)
    logits, boxes = run(detr_with_mask, {"pixel_values": values, "pixel_mask": mask})
    expected = []
    for row, (cx, cy, w, h) in zip(logits[0], boxes[0], strict=True):
        shares = np.exp(row) / np.exp(row).sum()
        label = int(shares[:-1].argmax())
        box = (cx - w / 2) * WIDTH, (cy - h / 2) * HEIGHT, (cx + w / 2) * WIDTH, (cy + h / 2) * HEIGHT
        if shares[label] >= 0.5:
            expected.append(
                (CLASSES[label], float(shares[label]), tuple(np.clip(box, 0, [WIDTH, HEIGHT] * 2).tolist()))
            )
    check_equal(served(client, "detr", image), sorted(expected, key=lambda row: -row[1])[:100])


def run(made: Made, feeds: dict[str, NDArray[Any]]) -> list[NDArray[Any]]:
    outputs: list[NDArray[Any]] = onnxruntime.InferenceSession(str(made.model)).run(None, feeds)
    return outputs


def overlap(box: tuple[float, ...], other: tuple[float, ...]) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, other)]
    return width * height / (sum(areas) - width * height)


def clipped(box: tuple[float, ...]) -> tuple[float, ...]:
    x1, y1, x2, y2 = box
    return max(x1, 0), max(y1, 0), min(x2, 160), min(y2, 128)
