"""Tensors by hand: in JSON, and as bytes after it."""

import base64
import json
from typing import Any

import pytest

from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.inference import PIXEL, infer
from tests.service.served_app import GOLDEN, problem


def test_an_image_file_may_come_as_base64_in_json(client: AsgiClient) -> None:
    data = [base64.b64encode(GOLDEN).decode()]
    response = infer(client, {"name": "image", "datatype": "BYTES", "shape": [1], "data": data})
    outputs = {output["name"]: output["data"] for output in response.json()["outputs"]}
    assert outputs["class_names"] == ["red", "green"]
    assert outputs["num_detections"] == [2]
    assert response.headers["content-type"] == "application/json"


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
        ({**PIXEL, "shape": [0, 2**62, 2**62, 3], "data": []}, "more than"),
        ({**PIXEL, "shape": [2**64, 1, 1, 3]}, "more than"),
        ({**PIXEL, "shape": [10**4000, 1, 1, 3]}, "more than"),
        ({**PIXEL, "shape": [0, 10**4000, 1, 3], "data": []}, "more than"),
        ({**PIXEL, "shape": [True, 1, 1, 3]}, "inputs.0.shape.0"),
        ({**PIXEL, "shape": [1.0, 1, 1, 3]}, "inputs.0.shape.0"),
        ({**PIXEL, "shape": ["1", 1, 1, 3]}, "inputs.0.shape.0"),
        ({**PIXEL, "shape": [1] * 9}, "inputs.0.shape"),
        ({**PIXEL, "data": [1.5, 10**400, 3]}, "0 to 255"),
        ({**PIXEL, "data": [1, 2, 10**400]}, "0 to 255"),
        ({**PIXEL, "data": ["a" * 1000, "", ""]}, "0 to 255"),
        ({**PIXEL, "parameters": {"binary_data_size": True}}, "binary_data_size is True"),
        ({**PIXEL, "parameters": {"binary_data_size": 10**4000}}, "binary_data_size"),
        ({**PIXEL, "parameters": {"binary_data_size": 0}}, "both"),
        ({**PIXEL, "shape": [0, 1, 1, 3], "data": []}, "1 to"),
        ({**PIXEL, "datatype": "FP32"}, "BYTES and UINT8"),
        ({**PIXEL, "datatype": "FP32", "data": [0.5, 0.5, 0.5]}, "BYTES and UINT8"),
        ({**PIXEL, "datatype": "bytes", "data": ["aGVsbG8="]}, "BYTES and UINT8"),
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
    ("body", "length"),
    [
        (b'{"inputs": %s}' % (b"[" * 100_000), None),
        (b'{"inputs": [{"name": "images", "data": [NaN]}]}', None),
        (b'{"id": "\\ud800", "inputs": []}', None),
        (b'{"inputs": [{"shape": [%s]}]}' % (b"9" * 5000), None),
        (b"{}", "9" * 5000),
        (b"{}", "\u00b2"),
        (b"{", None),
        (b"{}", "5"),
        (b"{}", "-1"),
        (b"{}", "x"),
        (b"", None),
        (b"[]", None),
        (b"\xff\xfe", "1"),
    ],
)
def test_a_body_that_is_no_request_is_a_400(client: AsgiClient, body: bytes, length: str | None) -> None:
    headers = {"Inference-Header-Content-Length": length.encode("latin-1")} if length else {}
    problem(client.post("/v2/models/tiny/infer", content=body, headers=headers), 400)


def test_a_bytes_tensor_holds_as_many_elements_as_its_shape_says(client: AsgiClient) -> None:
    for count, words in ((3, "does not fit"), (2**41, "more than"), (20_000, "elements at most")):
        tensor = {"name": "image", "datatype": "BYTES", "shape": [count], "parameters": {"binary_data_size": 80_000}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        response = client.post("/v2/models/tiny/infer", content=head + bytes(80_000), headers=headers)
        assert words in problem(response, 400)


def test_bytes_without_an_input_or_cut_short_are_a_400(client: AsgiClient) -> None:
    for tail, size, words in (
        (b"abc", 0, "no input claims"),
        (b"\x05\x00\x00\x00ab", 6, "cut short"),
        (b"\x05", 1, "cut short"),
    ):
        tensor = {"name": "image", "datatype": "BYTES", "shape": [0], "parameters": {"binary_data_size": size}}
        head = json.dumps({"inputs": [tensor]}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        assert words in problem(client.post("/v2/models/tiny/infer", content=head + tail, headers=headers), 400)
