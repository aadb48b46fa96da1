"""docker/alertmanager: every alert has a receiver, and the default one writes a JSON line for each alert."""

import http.client
import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
RESOLVED = "2026-01-02T03:09:05Z"


@pytest.fixture(scope="module")
def log_alerts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("log_alerts", DOCKER / "alertmanager" / "log_alerts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def alert(**changes: Any) -> dict[str, Any]:
    """An alert as Alertmanager's webhook sends it."""
    return {
        "status": "firing",
        "labels": {"alertname": "SingleshotReplicaDown", "severity": "page", "instance": "10.0.0.2:8000"},
        "annotations": {"summary": "10.0.0.2:8000 does not answer", "runbook": "docker compose ps"},
        "startsAt": "2026-01-02T03:04:05Z",
        "endsAt": "0001-01-01T00:00:00Z",
        **changes,
    }


def test_each_alert_of_a_message_becomes_a_line(log_alerts: ModuleType) -> None:
    now = datetime(2026, 1, 2, 3, 4, 15, tzinfo=UTC)
    message = {"alerts": [alert(), alert(status="resolved", endsAt=RESOLVED)]}
    fires, resolved = map(json.loads, log_alerts.lines(message, "page", now))
    assert fires == {
        "time": "2026-01-02T03:04:15.000+00:00",
        "level": "error",
        "status": "firing",
        "receiver": "page",
        "alert": "SingleshotReplicaDown",
        "labels": {"severity": "page", "instance": "10.0.0.2:8000"},
        "summary": "10.0.0.2:8000 does not answer",
        "runbook": "docker compose ps",
        "since": "2026-01-02T03:04:05Z",
        "until": None,
    }
    assert (resolved["status"], resolved["level"], resolved["until"]) == ("resolved", "info", RESOLVED)


def test_a_message_without_alerts_is_refused(log_alerts: ModuleType) -> None:
    with pytest.raises(KeyError):
        log_alerts.lines({"version": "4"}, "page", datetime.now(UTC))


@contextmanager
def serve(log_alerts: ModuleType) -> Iterator[int]:
    """The port of a receiver that runs in another thread."""
    with ThreadingHTTPServer(("127.0.0.1", 0), log_alerts.Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def answer(port: int, body: bytes, length: str = "") -> int:
    """The status of a POST of that body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/page", body, {"Content-Length": length or str(len(body))})
    return connection.getresponse().status


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"alerts": null}',
        json.dumps({"alerts": [alert(annotations=None)]}).encode(),
        json.dumps({"alerts": [alert(labels=["ab"])]}).encode(),
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_what_is_no_message_of_alertmanager_is_refused(
    log_alerts: ModuleType, body: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(log_alerts) as port:
        assert answer(port, body) == 400
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("length", ["abc", "-1", "100000000"])
def test_a_length_that_cannot_be_read_is_refused(
    log_alerts: ModuleType, length: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with serve(log_alerts) as port:
        assert answer(port, b"{}", length) in (400, 413)
    assert capsys.readouterr().err == ""


def test_two_thousand_alerts_at_once_are_all_written(
    log_alerts: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    message = {"alerts": [alert(annotations={"summary": "s" * 200, "runbook": "r" * 400})] * 2_000}
    with serve(log_alerts) as port:
        assert answer(port, json.dumps(message).encode()) == 200
    assert len([json.loads(line) for line in capsys.readouterr().err.splitlines()]) == 2_000


def test_a_message_with_no_alerts_writes_no_line(log_alerts: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(log_alerts) as port:
        assert answer(port, b'{"alerts": []}') == 200
    assert capsys.readouterr().err == ""


def test_every_severity_of_an_alert_has_a_receiver_that_exists() -> None:
    manager = yaml.safe_load((DOCKER / "alertmanager" / "alertmanager.yml").read_text())
    receivers = {receiver["name"] for receiver in manager["receivers"]}
    routes = {route["matchers"][0]: route["receiver"] for route in manager["route"]["routes"]}
    assert {manager["route"]["receiver"], *routes.values()} == receivers
    rules = yaml.safe_load((DOCKER / "prometheus" / "alerts.yml").read_text())
    severities = {rule["labels"]["severity"] for group in rules["groups"] for rule in group["rules"]}
    assert severities == {"page", "ticket"}
    assert routes == {'severity="page"': "page"}


def test_the_default_receiver_is_the_container_that_logs(log_alerts: ModuleType) -> None:
    manager = yaml.safe_load((DOCKER / "alertmanager" / "alertmanager.yml").read_text())
    for receiver in manager["receivers"]:
        (webhook,) = receiver["webhook_configs"]
        assert webhook["url"] == f"http://alert-log:{log_alerts.PORT}/{receiver['name']}"
        assert receiver["name"] in log_alerts.LEVELS


def test_while_no_replica_answers_only_that_and_the_proxy_are_reported() -> None:
    manager = yaml.safe_load((DOCKER / "alertmanager" / "alertmanager.yml").read_text())
    rules = yaml.safe_load((DOCKER / "prometheus" / "alerts.yml").read_text())
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    (rule,) = manager["inhibit_rules"]
    assert rule["source_matchers"] == ['alertname="SingleshotNoReplica"']
    wanted, unwanted = (re.search(r'"(.+)"', matcher) for matcher in rule["target_matchers"])
    assert wanted
    assert unwanted
    silenced = {name for name in alerts if re.fullmatch(wanted[1], name) and not re.fullmatch(unwanted[1], name)}
    assert alerts - silenced - {"SingleshotProxyDown"} == {"SingleshotNoReplica"}
