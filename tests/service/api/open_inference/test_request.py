"""Inference requests by hand: parameters, outputs and images."""

from typing import Any

import pytest

from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.inference import PIXEL, infer
from tests.service.served_app import problem


@pytest.mark.parametrize(
    ("request_part", "words"),
    [
        ({"parameters": {"treshold": 1}}, "parameters.treshold"),
        ({"parameters": {"model": "tiny"}}, "the path has it"),
        ({"parameters": {"version": "2"}}, "the path has it"),
        ({"parameters": {"format": "image"}}, "the answer has tensors"),
        ({"parameters": {"timeout": "soon"}}, "timeout"),
        ({"parameters": {"timeout": True}}, "timeout"),
        ({"parameters": {"timeout": 10**4000}}, "timeout"),
        ({"parameters": {"max_detections": 10**4000}}, "parameters.max_detections"),
        ({"parameters": {"binary_data_output": "false"}}, "true or false"),
        ({"inputs": [{**PIXEL, "parameters": {"shared_memory_region": "r"}}]}, "does not support"),
        ({"inputs": [{**PIXEL, "parameters": {"shared_memory_byte_size": 3}}]}, "does not support"),
        ({"outputs": [{"name": "scores", "parameters": {"shared_memory_region": "r"}}]}, "does not support"),
        ({"outputs": [{"name": "scores", "parameters": {"classification": 2}}]}, "does not support"),
        ({"outputs": [{"name": "scores", "parameters": {"binary_data": 1}}]}, "true or false"),
        ({"outputs": [{"name": "masks"}]}, "no output 'masks'"),
        ({"inputs": []}, "inputs"),
        ({"inputs": [PIXEL, PIXEL]}, "one input"),
        ({"inputs": "none"}, "inputs"),
    ],
)
def test_a_bad_request_is_a_400(client: AsgiClient, request_part: dict[str, Any], words: str) -> None:
    assert words in problem(client.post("/v2/models/tiny/infer", json={"inputs": [PIXEL], **request_part}), 400)


def test_too_many_pixels_are_a_413(client: AsgiClient) -> None:
    tensor = {"name": "images", "datatype": "UINT8", "shape": [1, 101, 100, 3], "data": [0] * 30_300}
    problem(infer(client, tensor), 413)
