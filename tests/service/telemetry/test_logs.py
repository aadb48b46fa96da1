"""The log's lines."""

import io
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from service.telemetry.logs import JsonFormatter, Level, TerminalFormatter, request_id, write_logs
from tests.asgi_client import AsgiClient
from tests.service.faulty_engine import FaultyEngines
from tests.service.served_app import GOLDEN, settings


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
    failure, request = lines()
    assert failure["request_ids"] == ["unlucky"]
    assert "RuntimeError: broken" in failure["exception"]
    assert (request["request_id"], request["outcome"], request["detail"]) == (
        "unlucky",
        "failed",
        "the engine failed: RuntimeError",
    )


def test_the_line_of_a_request_says_who_asked_for_what_and_why_it_was_slow(tiny_bundle: Bundle, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("alice a-secret\n")
    _, lines = written("info")
    with AsgiClient(create_app(settings(tiny_bundle.path, api_keys_file=keys))) as client:
        client.post("/detect", content=GOLDEN, headers={"Authorization": "Bearer a-secret"})
        client.post("/detect", content=GOLDEN, headers={"Authorization": "Bearer guessed"})
    good, bad = lines()
    assert (good["event"], good["outcome"], good["key"]) == ("request", "in_time", "alice")
    assert (good["model"], good["version"], good["images"], good["bytes"]) == ("tiny", "1", 1, len(GOLDEN))
    assert good["batch_size"] == 1
    assert good["stages"].keys() == {"decode", "queue", "infer", "postprocess"}
    assert (bad["outcome"], bad["reason"], bad["status"]) == ("client_error", "key", 401)
    assert "key" not in bad
    assert not any("a-secret" in str(line) or "guessed" in str(line) for line in (good, bad))


@pytest.mark.parametrize("formatter", [JsonFormatter(), TerminalFormatter()])
def test_no_text_of_a_client_begins_a_line_or_moves_the_cursor(formatter: logging.Formatter) -> None:
    text = "/a\n{} \x1b[2J \x9b2J \u2028 \udcff"
    record = logging.makeLogRecord({"msg": text, "levelname": "INFO", "path": text})
    line = formatter.format(record)
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"msg": "request", "event": "request", "status": 200}, "request status=200"),
        ({"msg": "serving tiny", "event": "ready", "models": {"tiny": "1"}}, "serving tiny"),
        ({"msg": "an engine's words"}, "an engine's words"),
    ],
)
def test_a_terminal_shows_messages_and_of_a_request_the_fields(fields: dict[str, Any], line: str) -> None:
    record = logging.makeLogRecord({"levelname": "INFO", **fields})
    assert re.fullmatch(rf"\d\d:\d\d:\d\d info {re.escape(line)}", TerminalFormatter().format(record))


def test_healthy_answers_to_monitoring_are_not_logged_and_others_are(tiny_bundle: Bundle) -> None:
    _, lines = written("info")
    with AsgiClient(create_app(settings(tiny_bundle.path))) as client:
        client.get("/readyz")
        client.get("/metrics")
        client.get("/nowhere")
    assert [(line["path"], line["status"], line["outcome"]) for line in lines()] == [("/nowhere", 404, "status 404")]
