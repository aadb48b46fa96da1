"""The headers that every request gets: its id and its stages."""

import re

from tests.asgi_client import AsgiClient
from tests.service.served_app import GOLDEN


def test_the_headers_give_the_id_and_the_stages(client: AsgiClient) -> None:
    response = client.post("/detect", content=GOLDEN, headers={"X-Request-Id": "mine-1"})
    assert response.headers["x-request-id"] == "mine-1"
    stages = re.findall(r"(\w+);dur=[\d.]+", response.headers["server-timing"])
    assert stages == ["decode", "queue", "infer", "postprocess"]


def test_an_invalid_request_id_is_replaced(client: AsgiClient) -> None:
    response = client.get("/healthz", headers={"X-Request-Id": "a b" * 100})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
