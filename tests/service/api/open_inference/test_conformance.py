"""Every HTTP route of the Open Inference Protocol as its specification has it: fields, types, statuses and errors.

https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, and
open_inference_rest.yaml beside it.
"""

import base64
import math
from typing import Any

import httpx
import pytest
from pydantic import BaseModel, ConfigDict

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.inference import PIXEL
from tests.service.served_app import GOLDEN, settings

DATATYPES = {"BOOL", *(f"{kind}{bits}" for kind in ("UINT", "INT") for bits in (8, 16, 32, 64)), "FP16", "FP32", "FP64"}
DATATYPES.add("BYTES")
MODELS = ["/v2/models/tiny", "/v2/models/tiny/versions/1"]
UNKNOWN_MODELS = ["/v2/models/other", "/v2/models/TINY", "/v2/models/other/versions/1", "/v2/models/tiny/versions/2"]
IMAGE = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(GOLDEN).decode()]}


class Strict(BaseModel):
    """An object of the specification. A server may add fields; the given ones have exactly these types."""

    model_config = ConfigDict(strict=True)


class LiveServer(Strict):
    live: bool


class ReadyModel(Strict):
    name: str
    ready: bool


class ServerMetadata(Strict):
    name: str
    version: str
    extensions: list[str]


class MetadataTensor(Strict):
    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Strict):
    name: str
    versions: list[str]
    platform: str
    inputs: list[MetadataTensor]
    outputs: list[MetadataTensor]


class ResponseOutput(Strict):
    name: str
    shape: list[int]
    datatype: str
    data: list[int | float | str | bool]


class InferenceResponse(Strict):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[ResponseOutput]


class Error(Strict):
    error: str


def body(response: httpx.Response) -> bytes:
    """Check that the answer is a success in JSON -> its body."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response.content


def error(response: httpx.Response, status: int) -> str:
    """Check that the answer is an error object of that status -> the error's description."""
    assert response.status_code == status, response.text
    return Error.model_validate_json(response.content).error


def infer(client: AsgiClient, path: str = MODELS[0], **request: Any) -> InferenceResponse:
    """Send an inference request -> its answer, which is checked."""
    return InferenceResponse.model_validate_json(body(client.post(f"{path}/infer", json=request)))


def test_a_live_server_says_so(client: AsgiClient) -> None:
    assert LiveServer.model_validate_json(body(client.get("/v2/health/live"))).live


def test_a_ready_server_says_so(client: AsgiClient) -> None:
    response = client.get("/v2/health/ready")
    assert LiveServer.model_validate_json(body(response)).live
    assert response.json()["ready"] is True  # KServe's client reads this field, which the specification lacks


@pytest.mark.parametrize("path", MODELS)
def test_a_ready_model_says_so_with_its_name(client: AsgiClient, path: str) -> None:
    ready = ReadyModel.model_validate_json(body(client.get(f"{path}/ready")))
    assert (ready.name, ready.ready) == ("tiny", True)


def test_a_server_without_a_model_is_live_and_not_ready(tiny_bundle: Bundle) -> None:
    with AsgiClient(create_app(settings(tiny_bundle.path, model_control=True))) as client:
        client.post("/v2/repository/models/tiny/unload")
        assert LiveServer.model_validate_json(body(client.get("/v2/health/live"))).live
        assert error(client.get("/v2/health/ready"), 503)
        assert error(client.get("/v2/models/tiny/ready"), 404)
        body(client.get("/v2"))


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_describes_itself(client: AsgiClient, path: str) -> None:
    assert ServerMetadata.model_validate_json(body(client.get(path))).name == "singleshot"


@pytest.mark.parametrize("path", MODELS)
def test_a_model_describes_its_tensors(client: AsgiClient, path: str) -> None:
    metadata = ModelMetadata.model_validate_json(body(client.get(path)))
    assert metadata.name == "tiny"
    assert metadata.inputs
    assert metadata.outputs
    for tensor in (*metadata.inputs, *metadata.outputs):
        assert tensor.datatype in DATATYPES
        assert all(side == -1 or side > 0 for side in tensor.shape)


def test_each_version_in_the_metadata_can_be_asked_for(client: AsgiClient) -> None:
    for version in ModelMetadata.model_validate_json(client.get(MODELS[0]).content).versions:
        assert ModelMetadata.model_validate_json(body(client.get(f"{MODELS[0]}/versions/{version}"))).name == "tiny"


@pytest.mark.parametrize("path", MODELS)
@pytest.mark.parametrize("tensor", [IMAGE, PIXEL], ids=["BYTES", "UINT8"])
def test_an_answer_has_the_outputs_of_the_metadata(client: AsgiClient, path: str, tensor: dict[str, Any]) -> None:
    answer = infer(client, path, inputs=[tensor])
    assert (answer.model_name, answer.model_version) == ("tiny", "1")
    described = ModelMetadata.model_validate_json(client.get(path).content).outputs
    for output, tensor_metadata in zip(answer.outputs, described, strict=True):
        assert (output.name, output.datatype) == (tensor_metadata.name, tensor_metadata.datatype)
        assert len(output.data) == math.prod(output.shape)
        assert len(output.shape) == len(tensor_metadata.shape)
        for side, wanted in zip(output.shape, tensor_metadata.shape, strict=True):
            assert wanted in (-1, side)


def test_each_input_of_the_metadata_is_taken(client: AsgiClient) -> None:
    tensors = {str(tensor["name"]): tensor for tensor in (IMAGE, PIXEL)}
    for described in ModelMetadata.model_validate_json(client.get(MODELS[0]).content).inputs:
        tensor = tensors[described.name]
        assert tensor["datatype"] == described.datatype
        assert infer(client, inputs=[tensor]).outputs


def test_the_identifier_of_a_request_is_given_back(client: AsgiClient) -> None:
    assert infer(client, inputs=[PIXEL], id="42").id == "42"
    assert infer(client, inputs=[PIXEL], id="").id == ""
    assert infer(client, inputs=[PIXEL]).id is None


def test_only_the_requested_outputs_are_given(client: AsgiClient) -> None:
    answer = infer(client, inputs=[PIXEL], outputs=[{"name": "labels"}, {"name": "boxes", "parameters": {}}])
    assert [output.name for output in answer.outputs] == ["labels", "boxes"]


def test_data_may_be_nested_or_flat_and_are_in_row_major_order(client: AsgiClient) -> None:
    rows = [[[[200, 0, 0]] * 8] * 4 + [[[0, 0, 0]] * 8] * 12]  # the upper quarter is red
    flat = [value for image in rows for row in image for pixel in row for value in pixel]
    tensor = {"name": "images", "shape": [1, 16, 8, 3], "datatype": "UINT8"}
    parameters = {"score_threshold": 0.1}
    nested = infer(client, inputs=[{**tensor, "data": rows}], parameters=parameters)
    assert infer(client, inputs=[{**tensor, "data": flat}], parameters=parameters) == nested
    outputs = {output.name: output for output in nested.outputs}
    (count,) = outputs["num_detections"].data
    assert isinstance(count, int)
    assert count > 0
    tops = outputs["boxes"].data[1 : 4 * count : 4]
    assert all(isinstance(top, float) and top < 8 for top in tops)


@pytest.mark.parametrize(
    "request_body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"inputs": []}',
        b'{"inputs": {}}',
        b'{"inputs": [1]}',
        b'{"id": 42, "inputs": [{"name": "images", "shape": [1, 1, 1, 3], "datatype": "UINT8", "data": [1, 2, 3]}]}',
    ],
)
def test_a_body_that_is_no_inference_request_is_a_400(client: AsgiClient, request_body: bytes) -> None:
    for path in MODELS:
        assert error(client.post(f"{path}/infer", content=request_body), 400)


@pytest.mark.parametrize("field", ["name", "shape", "datatype", "data"])
def test_each_required_field_of_an_input_is_required(client: AsgiClient, field: str) -> None:
    incomplete = {name: value for name, value in PIXEL.items() if name != field}
    assert field in error(client.post(f"{MODELS[0]}/infer", json={"inputs": [incomplete]}), 400)


@pytest.mark.parametrize(
    "change",
    [
        {"name": 1},
        {"name": "Images"},
        {"datatype": "uint8"},
        {"datatype": "UINT9"},
        {"shape": "1,1,1,3"},
        {"shape": [1, 1, 1, -3]},
        {"shape": [1, 1, 1, 2**64]},
        {"shape": [1, 1, 1, 4]},
        {"data": 1},
        {"data": [1, 2, True]},
        {"data": [1, 2, "3"]},
        {"parameters": []},
        {"parameters": {"unknown": 1}},
    ],
)
def test_an_input_that_does_not_fit_is_a_400(client: AsgiClient, change: dict[str, Any]) -> None:
    assert error(client.post(f"{MODELS[0]}/infer", json={"inputs": [{**PIXEL, **change}]}), 400)


@pytest.mark.parametrize(
    "part",
    [
        {"outputs": [{"name": "masks"}]},
        {"outputs": [{}]},
        {"outputs": "boxes"},
        {"parameters": []},
        {"parameters": {"unknown": 1}},
    ],
)
def test_a_part_of_a_request_that_does_not_fit_is_a_400(client: AsgiClient, part: dict[str, Any]) -> None:
    assert error(client.post(f"{MODELS[0]}/infer", json={"inputs": [PIXEL], **part}), 400)


@pytest.mark.parametrize("path", UNKNOWN_MODELS)
def test_an_unknown_model_or_version_is_a_404_on_each_route(client: AsgiClient, path: str) -> None:
    for route in ("", "/ready", "/config", "/stats"):
        assert error(client.get(f"{path}{route}"), 404)
    assert error(client.post(f"{path}/infer", json={"inputs": [PIXEL]}), 404)


@pytest.mark.parametrize("path", ["/v2/health", "/v2/models", "/v2/models/tiny/versions", "/v2/models/tiny/explain"])
def test_a_path_that_is_no_route_is_a_404(client: AsgiClient, path: str) -> None:
    assert path in error(client.get(path), 404)


@pytest.mark.parametrize("path", ["/v2", "/v2/health/live", "/v2/health/ready", *MODELS, f"{MODELS[0]}/ready"])
def test_a_route_refuses_other_methods_with_an_error_object(client: AsgiClient, path: str) -> None:
    assert error(client.post(path), 405)
    assert error(client.get(f"{MODELS[0]}/infer"), 405)
