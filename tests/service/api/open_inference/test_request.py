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
        ({"parameters": {"timeout": "soon"}}, "timeout"),
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
