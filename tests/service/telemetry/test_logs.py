"""The log's lines."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from service.telemetry.logs import Level, request_id, write_logs
from tests.asgi_client import AsgiClient
from tests.service.faulty_engine import FaultyEngines
from tests.service.served_app import GOLDEN, settings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was."""
    root, own = logging.getLogger(), logging.getLogger("singleshot")
    before = list(root.handlers), root.level, own.level
    yield
    root.handlers[:], root.level, own.level = before
    for logger in (root, own):
        logger.setLevel(logger.level)  # clear the cache of enabled levels


def written(level: Level) -> tuple[io.StringIO, Any]:
    stream = io.StringIO()
    write_logs(level, stream)
    return stream, lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_an_object_with_the_extra_fields() -> None:
    _, lines = written("info")
    token = request_id.set("abc")
    logging.getLogger("singleshot").info("two\nlines of %d", 2, extra={"model": "tiny", "thing": object})
    request_id.reset(token)
    (line,) = lines()
    assert line["message"] == "two\nlines of 2"
    assert (line["level"], line["request_id"], line["model"]) == ("info", "abc", "tiny")
    assert line["time"].endswith("+00:00")


def test_each_request_is_one_line_at_info(tiny_bundle: Bundle) -> None:
    _, lines = written("info")
    with AsgiClient(create_app(settings(tiny_bundle.path))) as client:
        client.post("/detect", content=GOLDEN, headers={"X-Request-Id": "first"})
        client.post("/detect?secret=1", content=b"no image", headers={"X-Request-Id": "second"})
    requests = lines()
    assert [(line["request_id"], line["method"], line["path"], line["status"]) for line in requests] == [
        ("first", "POST", "/detect", 200),
        ("second", "POST", "/detect", 422),
    ]
    assert requests[0]["ms"] > 0


def test_a_successful_request_is_not_logged_at_warning(tiny_bundle: Bundle) -> None:
    _, lines = written("warning")
    with AsgiClient(create_app(settings(tiny_bundle.path))) as client:
        client.post("/detect", content=GOLDEN)
        client.post("/detect", content=b"no image")
    assert lines() == []


def test_a_failed_batch_is_logged_with_the_ids_of_its_requests(tiny_bundle: Bundle) -> None:
    _, lines = written("info")
    engines = FaultyEngines()
    with AsgiClient(create_app(settings(tiny_bundle.path), engines)) as client:
        engines.opened[0].error = RuntimeError("broken")
        response = client.post("/detect", content=GOLDEN, headers={"X-Request-Id": "unlucky"})
    assert response.status_code == 500
    (line,) = lines()
    assert line["request_ids"] == ["unlucky"]
    assert "RuntimeError: broken" in line["exception"]
