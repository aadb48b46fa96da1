"""docker/prometheus: promtool accepts the configuration and the rules' own tests pass; each alert helps its reader."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "prometheus"
RULES = [
    rule
    for file in ("rules.yml", "alerts.yml")
    for group in yaml.safe_load((FOLDER / file).read_text())["groups"]
    for rule in group["rules"]
]
ALERTS = [rule for rule in RULES if "alert" in rule]
TESTS = [test for file in FOLDER.glob("*_test.yml") for test in yaml.safe_load(file.read_text())["tests"]]

needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Prometheus, is not installed")


@needs_promtool
def test_prometheus_accepts_its_configuration_and_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
@pytest.mark.parametrize("file", sorted(file.name for file in FOLDER.glob("*_test.yml")))
def test_each_alert_fires_when_it_should_and_only_then(file: str) -> None:
    tested = subprocess.run(
        ["promtool", "test", "rules", file], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr


@pytest.mark.parametrize("alert", sorted({rule["alert"] for rule in ALERTS}))
def test_each_alert_has_a_test_in_which_it_fires(alert: str) -> None:
    expected = [
        sample["labels"] for test in TESTS for case in test["promql_expr_test"] for sample in case["exp_samples"]
    ]
    assert any(f'alertname="{alert}"' in labels for labels in expected)


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_each_alert_says_what_is_wrong_and_what_to_type(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert set(rule["annotations"]) == {"summary", "runbook"}


def test_no_first_command_changes_the_other_services() -> None:
    """`docker compose up proxy` stops all replicas but one, and waits for the sick ones."""
    texts = [" ".join(rule["annotations"]["runbook"].split()) for rule in ALERTS]
    for file in ("operating.md", "drills.md"):
        texts += [line for line in (ROOT / "docs" / file).read_text().splitlines() if line.startswith("| ")]
    commands = [command for text in texts for command in re.findall(r"docker compose up --detach[^`;.]*", text)]
    assert commands
    for command in commands:
        assert "--no-deps" in command, command
        assert "--no-recreate" in command or "--scale server=" in command, command


def test_operating_names_each_alert() -> None:
    operating = (ROOT / "docs" / "operating.md").read_text()
    assert set(re.findall(r"^\| (Singleshot\w+) \|", operating, re.MULTILINE)) == {rule["alert"] for rule in ALERTS}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("record") or rule["alert"])
def test_no_rule_matches_a_bucket_by_the_text_of_its_bound(rule: dict[str, Any]) -> None:
    assert not re.search(r"\ble\s*[=!]", rule["expr"])
