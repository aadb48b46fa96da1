"""The dashboard: its file is what its package writes, and Grafana and Prometheus accept it."""

import importlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).parents[2] / "docker"
WRITTEN: dict[str, Any] = json.loads((DOCKER / "grafana" / "dashboards" / "singleshot.json").read_text())
QUERIES = [target["expr"] for panel in WRITTEN["panels"] for target in panel.get("targets", [])] + [
    annotation["expr"] for annotation in WRITTEN["annotations"]["list"]
]


def test_the_file_is_what_the_package_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(DOCKER / "grafana")
    assert importlib.import_module("dashboard").dashboard() == WRITTEN


def test_each_panel_says_what_to_do_when_it_looks_wrong() -> None:
    assert [panel["title"] for panel in WRITTEN["panels"] if panel["type"] != "row" and not panel["description"]] == []


def test_each_recorded_series_of_the_dashboard_has_its_rule() -> None:
    groups = yaml.safe_load((DOCKER / "prometheus" / "rules.yml").read_text())["groups"]
    recorded = {rule["record"] for group in groups for rule in group["rules"]}
    assert {name for query in QUERIES for name in re.findall(r"\w+:\w+:\w+", query)} <= recorded


def test_the_server_has_each_metric_that_the_dashboard_and_the_rules_ask_for() -> None:
    served = json.loads((DOCKER.parent / "tests" / "service" / "api" / "metrics.json").read_text())
    rules = [(DOCKER / "prometheus" / file).read_text() for file in ("rules.yml", "alerts.yml")]
    variables = [variable["query"]["query"] for variable in WRITTEN["templating"]["list"]]
    asked = {
        name for text in (*QUERIES, *variables, *rules) for name in re.findall(r"(?<!:)\bsingleshot_\w+\b(?!:)", text)
    }
    assert {re.sub("_(bucket|sum|count)$", "", name) for name in asked} <= set(served)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Prometheus, is not installed")
def test_prometheus_can_parse_each_query(tmp_path: Path) -> None:
    filled = [query.replace("$__rate_interval", "1m") for query in QUERIES]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(filled)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.skipif(
    not importlib.util.find_spec("grafana_foundation_sdk") or not importlib.util.find_spec("promql_parser"),
    reason="docker/grafana/requirements.txt is not installed",
)
def test_grafana_knows_each_key_of_the_dashboard() -> None:
    checked = subprocess.run(
        [sys.executable, DOCKER / "check_grafana.py", DOCKER / "grafana"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
