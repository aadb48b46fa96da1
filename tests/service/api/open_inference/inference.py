"""Inference requests in JSON."""

from typing import Any

import httpx

from tests.asgi_client import AsgiClient

PIXEL = {"name": "images", "datatype": "UINT8", "shape": [1, 1, 1, 3], "data": [1, 2, 3]}


def infer(client: AsgiClient, *inputs: dict[str, Any], **request: Any) -> httpx.Response:
    """Send the tensors `inputs`, and the other parts of the request, to the model tiny."""
    return client.post("/v2/models/tiny/infer", json={"inputs": list(inputs), **request})
