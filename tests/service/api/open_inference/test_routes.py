"""Health, metadata and inference with Triton's own client."""

import http.client
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service import __version__
from tests.service.served_app import GOLDEN, HALF_RED
from tests.tiny_bundle import golden_image, png

triton = pytest.importorskip("tritonclient.http")
LARGE = golden_image().repeat(2, axis=0).repeat(3, axis=1)


def files_input(*files: bytes) -> Any:
    tensor = triton.InferInput("image", [len(files)], "BYTES")
    tensor.set_data_from_numpy(np.array([*files, None], dtype=object)[:-1])
    return tensor


def pixels_input(images: NDArray[np.uint8], *, binary_data: bool = True) -> Any:
    tensor = triton.InferInput("images", list(images.shape), "UINT8")
    tensor.set_data_from_numpy(images, binary_data=binary_data)
    return tensor


def detections(result: Any, row: int = 0) -> list[tuple[str, float, list[float]]]:
    count = result.as_numpy("num_detections")[row]
    names, scores, boxes = (result.as_numpy(name)[row][:count] for name in ("class_names", "scores", "boxes"))
    return [(name.decode(), float(score), box.tolist()) for name, score, box in zip(names, scores, boxes, strict=True)]


def detections_of_detect(remote: Any, query: str, body: bytes) -> list[tuple[str, float, list[float]]]:
    """The detections that /detect gives on the same server."""
    connection = http.client.HTTPConnection(remote._client_stub.host, remote._client_stub.port)
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


def test_a_triton_client_finds_the_server_and_the_model_ready(remote: Any) -> None:
    assert remote.is_server_live()
    assert remote.is_server_ready()
    assert remote.is_model_ready("tiny")
    assert remote.is_model_ready("tiny", "1")
    assert not remote.is_model_ready("other")
    server = remote.get_server_metadata()
    assert (server["name"], server["version"]) == ("singleshot", __version__)
    assert "binary_tensor_data" in server["extensions"]
    metadata = remote.get_model_metadata("tiny")
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("tiny", ["1"], "singleshot_onnx")
    assert {output["name"] for output in metadata["outputs"]} >= {"boxes", "scores", "labels"}


def test_a_triton_client_gets_for_an_image_file_what_detect_gives(remote: Any) -> None:
    result = remote.infer("tiny", [files_input(png(LARGE))])
    assert_same(detections(result), detections_of_detect(remote, "", png(LARGE)))
    assert len(detections(result)) == 2


def test_a_triton_client_gets_for_a_tensor_what_detect_gives(remote: Any) -> None:
    wanted = detections_of_detect(remote, "", png(LARGE))
    for binary_data in (True, False):
        assert_same(detections(remote.infer("tiny", [pixels_input(LARGE[None], binary_data=binary_data)])), wanted)
    assert_same(detections(remote.infer("tiny", [pixels_input(LARGE)])), wanted)


def test_parameters_are_those_of_detect(remote: Any) -> None:
    parameters = {"score_threshold": 0.05, "nms": "hard", "classes": "red,green", "class_thresholds": "red:0.7"}
    result = remote.infer("tiny", [files_input(HALF_RED)], parameters=parameters, request_id="7", timeout=5_000_000)
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    assert_same(detections(result), detections_of_detect(remote, query, HALF_RED))
    assert result.get_response()["id"] == "7"


def test_several_images_are_rows_padded_to_the_longest(remote: Any) -> None:
    red = golden_image()
    red[..., 1] = 0
    black = np.zeros_like(red)
    result = remote.infer("tiny", [pixels_input(np.stack([red, golden_image(), black]))])
    assert result.as_numpy("num_detections").tolist() == [1, 2, 0]
    assert result.as_numpy("labels").tolist() == [[0, -1], [0, 1], [-1, -1]]
    assert result.as_numpy("scores").tolist() == [[1, 0], [1, 1], [0, 0]]


def test_an_image_without_objects_gives_empty_tensors(remote: Any) -> None:
    for outputs in (None, [triton.InferRequestedOutput(name, binary_data=False) for name in ("boxes", "class_names")]):
        result = remote.infer("tiny", [pixels_input(np.zeros((1, 8, 8, 3), np.uint8))], outputs=outputs)
        assert result.as_numpy("boxes").size == 0
        assert result.get_output("class_names")["shape"] == [1, 0]


def test_only_the_requested_outputs_are_given_each_in_its_form(remote: Any) -> None:
    outputs = [triton.InferRequestedOutput("scores", binary_data=False), triton.InferRequestedOutput("class_names")]
    result = remote.infer("tiny", [files_input(GOLDEN)], outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["scores", "class_names"]
    assert result.as_numpy("scores").tolist() == [[1, 1]]
    assert result.as_numpy("class_names").tolist() == [[b"red", b"green"]]


def test_a_triton_client_gets_the_reason_of_an_error(remote: Any) -> None:
    for tensor, words in (
        (files_input(b"hello"), "image 0: not an image"),
        (files_input(*[GOLDEN] * 5), "1 to 4 images"),
        (pixels_input(np.zeros((1, 4, 4, 4), np.uint8)), "it should be"),
    ):
        with pytest.raises(triton.InferenceServerException, match=words):
            remote.infer("tiny", [tensor])
    with pytest.raises(triton.InferenceServerException, match="no model has that name"):
        remote.infer("other", [files_input(GOLDEN)])
