"""Health, metadata and inference with Triton's own client."""

import http.client
import json

import numpy as np
import pytest

from service import __version__
from tests.service.api.open_inference.remote import Answer, Remote
from tests.service.served_app import GOLDEN, HALF_RED
from tests.tiny_bundle import golden_image, png

LARGE = golden_image().repeat(2, axis=0).repeat(3, axis=1)


def detections(answer: Answer, row: int = 0) -> list[tuple[str, float, list[float]]]:
    count = answer["num_detections"][row]
    names, scores, boxes = (answer[name][row][:count] for name in ("class_names", "scores", "boxes"))
    return [(name.decode(), float(score), box.tolist()) for name, score, box in zip(names, scores, boxes, strict=True)]


def detections_of_detect(remote: Remote, query: str, body: bytes) -> list[tuple[str, float, list[float]]]:
    """The detections that /detect gives on the same server."""
    connection = http.client.HTTPConnection(remote.address)
    connection.request("POST", f"/detect?{query}", body)
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return [
        (found["label"], found["score"], [found["box"][side] for side in ("x1", "y1", "x2", "y2")])
        for found in answer["results"][0]["detections"]
    ]


def assert_same(found: list[tuple[str, float, list[float]]], wanted: list[tuple[str, float, list[float]]]) -> None:
    assert [name for name, _, _ in found] == [name for name, _, _ in wanted]
    for (_, score, box), (_, wanted_score, wanted_box) in zip(found, wanted, strict=True):
        assert score == pytest.approx(wanted_score, abs=1e-5)
        assert box == pytest.approx(wanted_box, abs=0.01)


def test_a_triton_client_finds_the_server_and_the_model_ready(remote: Remote) -> None:
    assert remote.client.is_server_live()
    assert remote.client.is_server_ready()
    assert remote.client.is_model_ready("tiny")
    assert remote.client.is_model_ready("tiny", "1")
    assert not remote.client.is_model_ready("other")
    server = remote.get("server_metadata")
    assert (server["name"], server["version"]) == ("singleshot", __version__)
    assert "binary_tensor_data" in server["extensions"]
    metadata = remote.get("model_metadata", "tiny")
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("tiny", ["1"], "singleshot_onnx")
    assert {output["name"] for output in metadata["outputs"]} >= {"boxes", "scores", "labels"}


def test_a_triton_client_gets_for_an_image_file_what_detect_gives(remote: Remote) -> None:
    answer = remote.infer("tiny", [remote.files(png(LARGE))])
    assert_same(detections(answer), detections_of_detect(remote, "", png(LARGE)))
    assert len(detections(answer)) == 2


def test_a_triton_client_gets_for_a_tensor_what_detect_gives(remote: Remote) -> None:
    wanted = detections_of_detect(remote, "", png(LARGE))
    for options in ({}, {"binary_data": False}) if remote.is_http else ({},):
        assert_same(detections(remote.infer("tiny", [remote.pixels(LARGE[None], **options)])), wanted)
    assert_same(detections(remote.infer("tiny", [remote.pixels(LARGE)])), wanted)


def test_parameters_are_those_of_detect(remote: Remote) -> None:
    parameters = {"score_threshold": 0.05, "nms": "hard", "classes": "red,green", "class_thresholds": "red:0.7"}
    answer = remote.infer("tiny", [remote.files(HALF_RED)], parameters=parameters, request_id="7", timeout=5_000_000)
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    assert_same(detections(answer), detections_of_detect(remote, query, HALF_RED))
    assert answer.head["id"] == "7"


def test_several_images_are_rows_padded_to_the_longest(remote: Remote) -> None:
    red = golden_image()
    red[..., 1] = 0
    black = np.zeros_like(red)
    answer = remote.infer("tiny", [remote.pixels(np.stack([red, golden_image(), black]))])
    assert answer["num_detections"].tolist() == [1, 2, 0]
    assert answer["labels"].tolist() == [[0, -1], [0, 1], [-1, -1]]
    assert answer["scores"].tolist() == [[1, 0], [1, 1], [0, 0]]


def test_an_image_without_objects_gives_empty_tensors(remote: Remote) -> None:
    text = {"binary_data": False} if remote.is_http else {}
    names = ("boxes", "class_names")
    for outputs in (None, [remote.triton.InferRequestedOutput(name, **text) for name in names]):
        answer = remote.infer("tiny", [remote.pixels(np.zeros((1, 8, 8, 3), np.uint8))], outputs=outputs)
        assert answer["boxes"].size == 0
        assert answer.outputs["class_names"]["shape"] == [1, 0]


def test_only_the_requested_outputs_are_given_each_in_its_form(remote: Remote) -> None:
    text = {"binary_data": False} if remote.is_http else {}
    requested = remote.triton.InferRequestedOutput
    outputs = [requested("scores", **text), requested("class_names")]
    answer = remote.infer("tiny", [remote.files(GOLDEN)], outputs=outputs)
    assert list(answer.outputs) == ["scores", "class_names"]
    assert answer["scores"].tolist() == [[1, 1]]
    assert answer["class_names"].tolist() == [[b"red", b"green"]]


def test_a_triton_client_gets_the_reason_of_an_error(remote: Remote) -> None:
    for tensor, words in (
        (remote.files(b"hello"), "image 0: not an image"),
        (remote.files(*[GOLDEN] * 5), "1 to 4 images"),
        (remote.pixels(np.zeros((1, 4, 4, 4), np.uint8)), "it should be"),
    ):
        with pytest.raises(remote.Error, match=words):
            remote.infer("tiny", [tensor])
    with pytest.raises(remote.Error, match="no model has that name"):
        remote.infer("other", [remote.files(GOLDEN)])
