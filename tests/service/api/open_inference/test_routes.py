"""The Open Inference Protocol, with Triton's own client and by hand."""

import base64
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service import __version__
from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.live_server import live_server
from tests.service.served_app import GOLDEN, HALF_RED, problem, settings
from tests.tiny_bundle import golden_image, png, write_tiny_bundle

triton = pytest.importorskip("tritonclient.http")
LARGE = golden_image().repeat(2, axis=0).repeat(3, axis=1)


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny").path


@pytest.fixture(scope="module")
def remote(bundle_path: Path) -> Iterator[Any]:
    with live_server(create_app(settings(bundle_path, model_control=True, max_files=4))) as address:
        client = triton.InferenceServerClient(address)
        yield client
        client.close()


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle) -> Iterator[AsgiClient]:
    with AsgiClient(create_app(settings(tiny_bundle.path, max_pixels=10_000))) as running:
        yield running


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


def as_detect_gives(remote: Any, query: str, body: bytes) -> list[tuple[str, float, list[float]]]:
    """What /detect answers on the same server."""
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
    assert_same(detections(result), as_detect_gives(remote, "", png(LARGE)))
    assert len(detections(result)) == 2


def test_a_triton_client_gets_for_a_tensor_what_detect_gives(remote: Any) -> None:
    wanted = as_detect_gives(remote, "", png(LARGE))
    for binary_data in (True, False):
        assert_same(detections(remote.infer("tiny", [pixels_input(LARGE[None], binary_data=binary_data)])), wanted)
    assert_same(detections(remote.infer("tiny", [pixels_input(LARGE)])), wanted)


def test_parameters_are_those_of_detect(remote: Any) -> None:
    parameters = {"score_threshold": 0.05, "nms": "hard", "classes": "red,green", "class_thresholds": "red:0.7"}
    result = remote.infer("tiny", [files_input(HALF_RED)], parameters=parameters, request_id="7", timeout=5_000_000)
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    assert_same(detections(result), as_detect_gives(remote, query, HALF_RED))
    assert result.get_response()["id"] == "7"


def test_several_images_are_rows_filled_up_to_the_longest(remote: Any) -> None:
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


def test_only_the_wanted_outputs_are_given_each_in_its_form(remote: Any) -> None:
    outputs = [triton.InferRequestedOutput("scores", binary_data=False), triton.InferRequestedOutput("class_names")]
    result = remote.infer("tiny", [files_input(GOLDEN)], outputs=outputs)
    assert [output["name"] for output in result.get_response()["outputs"]] == ["scores", "class_names"]
    assert result.as_numpy("scores").tolist() == [[1, 1]]
    assert result.as_numpy("class_names").tolist() == [[b"red", b"green"]]


def test_a_triton_client_is_told_what_is_wrong(remote: Any) -> None:
    for tensor, words in (
        (files_input(b"hello"), "image 0: not an image"),
        (files_input(*[GOLDEN] * 5), "1 to 4 images"),
        (pixels_input(np.zeros((1, 4, 4, 4), np.uint8)), "it should be"),
    ):
        with pytest.raises(triton.InferenceServerException, match=words):
            remote.infer("tiny", [tensor])
    with pytest.raises(triton.InferenceServerException, match="no model has that name"):
        remote.infer("other", [files_input(GOLDEN)])


def test_a_triton_client_loads_and_unloads(remote: Any, bundle_path: Path) -> None:
    assert remote.get_model_repository_index() == [{"name": "tiny", "version": "1", "state": "READY", "reason": ""}]
    remote.unload_model("tiny")
    assert not remote.is_model_ready("tiny")
    assert not remote.is_server_ready()
    assert remote.get_model_repository_index()[0]["state"] == "UNAVAILABLE"
    with pytest.raises(triton.InferenceServerException, match="no bundle has that name"):
        remote.load_model("other")
    manifest = bundle_path / "manifest.json"
    content = manifest.read_text()
    manifest.write_text("{}")
    with pytest.raises(triton.InferenceServerException, match="export the bundle again"):
        remote.load_model("tiny")
    manifest.write_text(content)
    remote.load_model("tiny")
    assert remote.is_model_ready("tiny")


def test_loading_is_forbidden_unless_it_is_allowed(client: AsgiClient) -> None:
    for verb in ("load", "unload"):
        assert "MODEL_CONTROL" in problem(client.post(f"/v2/repository/models/tiny/{verb}"), 403)


def infer(client: AsgiClient, *inputs: dict[str, Any], **request: Any) -> Any:
    return client.post("/v2/models/tiny/infer", json={"inputs": list(inputs), **request})


def test_an_image_file_may_come_as_base64_in_json(client: AsgiClient) -> None:
    data = [base64.b64encode(GOLDEN).decode()]
    response = infer(client, {"name": "image", "datatype": "BYTES", "shape": [1], "data": data})
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    assert outputs["class_names"] == ["red", "green"]
    assert outputs["num_detections"] == [2]
    assert response.headers["content-type"] == "application/json"


PIXEL = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3]}


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        ({**PIXEL, "data": [1, 2]}, "shape"),
        ({**PIXEL, "data": [1, 2, 256]}, "0 to 255"),
        ({**PIXEL, "data": [1.5, 2, 3]}, "0 to 255"),
        ({**PIXEL, "data": [[1], 2, 3]}, "regular"),
        ({**PIXEL, "data": ["a", 2, 3]}, "0 to 255"),
        ({**PIXEL, "data": None}, "neither"),
        ({**PIXEL, "shape": [-1, -1, 1, 3]}, "negative"),
        ({**PIXEL, "shape": [3]}, "it should be"),
        ({**PIXEL, "shape": [0, 1, 1, 3], "data": []}, "1 to"),
        ({**PIXEL, "datatype": "FP32"}, "BYTES and UINT8"),
        ({**PIXEL, "name": "pixels"}, "no input pixels"),
        ({**PIXEL, "parameters": {"binary_data_size": 3}}, "holds 0 bytes more"),
        ({**PIXEL, "parameters": {"binary_data_size": "3"}}, "binary_data_size"),
        ({"name": "image", "datatype": "BYTES", "shape": [1], "data": ["?"]}, "base64"),
        ({"name": "image", "datatype": "BYTES", "shape": [1], "data": [5]}, "base64"),
        ({"name": "image", "datatype": "BYTES", "shape": [2], "data": ["aGVsbG8="]}, "1 elements"),
    ],
)
def test_a_bad_tensor_is_a_400(client: AsgiClient, tensor: dict[str, Any], words: str) -> None:
    response = infer(client, tensor)
    assert words in problem(response, 400)
    assert words in response.json()["error"]


@pytest.mark.parametrize(
    ("request_part", "words"),
    [
        ({"parameters": {"treshold": 1}}, "parameters.treshold"),
        ({"parameters": {"timeout": "soon"}}, "timeout"),
        ({"outputs": [{"name": "masks"}]}, "no output 'masks'"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [PIXEL, PIXEL]}, "one input"),
        ({"inputs": "none"}, "inputs"),
    ],
)
def test_a_bad_request_is_a_400(client: AsgiClient, request_part: dict[str, Any], words: str) -> None:
    assert words in problem(client.post("/v2/models/tiny/infer", json={"inputs": [PIXEL], **request_part}), 400)


@pytest.mark.parametrize(
    ("body", "length"),
    [(b"{", None), (b"{}", "5"), (b"{}", "-1"), (b"{}", "x"), (b"", None), (b"[]", None), (b"\xff\xfe", "1")],
)
def test_a_body_that_is_no_request_is_a_400(client: AsgiClient, body: bytes, length: str | None) -> None:
    headers = {"Inference-Header-Content-Length": length} if length else {}
    problem(client.post("/v2/models/tiny/infer", content=body, headers=headers), 400)


def test_bytes_that_nobody_claims_or_that_are_cut_short_are_a_400(client: AsgiClient) -> None:
    for tail, size, words in (
        (b"abc", 0, "no input claims"),
        (b"\x05\x00\x00\x00ab", 6, "cut short"),
        (b"\x05", 1, "cut short"),
    ):
        tensor = {"name": "image", "datatype": "BYTES", "shape": [0], "parameters": {"binary_data_size": size}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        assert words in problem(client.post("/v2/models/tiny/infer", content=head + tail, headers=headers), 400)


def test_too_many_pixels_are_a_413(client: AsgiClient) -> None:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 101, 100, 3], "data": [0] * 30_300}
    problem(infer(client, tensor), 413)
