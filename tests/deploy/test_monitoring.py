"""Prometheus' operator gets the rules of compose, and the names of the jobs that they know."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import ROOT, Objects, Render

ALL = {"monitoring": {"podMonitors": True, "rules": True, "dashboard": True, "labels": {"release": "prometheus"}}}
NOT_HERE = {"SingleshotReplicaGone", "SingleshotProxyGone"}  # would fire for an hour after each rolling update
Rule = dict[str, Any]


def groups_of(objects: Objects, name: str) -> dict[str, list[Rule]]:
    groups = objects["PrometheusRule", f"singleshot-{name}"]["spec"]["groups"]
    return {group["name"]: group["rules"] for group in groups}


def groups_of_compose(name: str) -> dict[str, list[Rule]]:
    groups = yaml.safe_load((ROOT / "docker" / "prometheus" / f"{name}.yml").read_text())["groups"]
    return {group["name"]: group["rules"] for group in groups}


def without_runbook(rule: Rule) -> Rule:
    return {**rule, "annotations": {"summary": rule["annotations"]["summary"]}}


def test_nothing_for_the_operator_is_made_unless_it_is_wanted(render: Render) -> None:
    kinds = {kind for kind, _ in render({})}
    assert not kinds & {"PodMonitor", "PrometheusRule"}


def test_the_recording_rules_are_those_of_compose(render: Render) -> None:
    objects = render(ALL)
    spec = objects["PrometheusRule", "singleshot-rules"]["spec"]
    assert spec == yaml.safe_load((ROOT / "docker" / "prometheus" / "rules.yml").read_text())


def test_the_alerts_are_those_of_compose_except_what_a_cluster_does_itself(render: Render) -> None:
    ours, composes = groups_of(render(ALL), "alerts"), groups_of_compose("alerts")
    assert ours.keys() == composes.keys() - {"monitoring"}  # about the Prometheus of compose
    for name, rules in ours.items():
        wanted = [without_runbook(rule) for rule in composes[name] if rule["alert"] not in NOT_HERE]
        assert [without_runbook(rule) for rule in rules] == wanted


def test_each_alert_names_commands_of_kubectl_and_the_release(render: Render) -> None:
    for rules in groups_of(render(ALL), "alerts").values():
        for rule in rules:
            runbook = rule["annotations"]["runbook"]
            assert "--namespace vision" in runbook, rule["alert"]
            assert not any(word in runbook for word in ("docker", "NAMESPACE", "SERVERS", "SERVICE", "RELEASE"))


def test_without_the_proxy_no_alert_says_that_it_is_down(render: Render) -> None:
    with_proxy = groups_of(render(ALL), "alerts")["health"]
    without = groups_of(render({**ALL, "proxy": {"enabled": False}}), "alerts")["health"]
    assert [rule for rule in with_proxy if rule not in without] == [
        rule for rule in with_proxy if rule["alert"] == "SingleshotProxyDown"
    ]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Prometheus, is not installed")
def test_prometheus_takes_the_rules(render: Render, tmp_path: Path) -> None:
    objects = render(ALL)
    for name in ("rules", "alerts"):
        file = tmp_path / f"{name}.yml"
        file.write_text(yaml.safe_dump(objects["PrometheusRule", f"singleshot-{name}"]["spec"]))
        checked = subprocess.run(["promtool", "check", "rules", file], capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_jobs_have_the_names_that_the_rules_know(render: Render) -> None:
    objects = render({**ALL, "gpu": {"enabled": True}})
    found = {}
    for component, job in (("server", "singleshot"), ("proxy", "proxy")):
        monitor = objects["PodMonitor", f"singleshot-{component}"]["spec"]
        (endpoint,) = monitor["podMetricsEndpoints"]
        assert {"targetLabel": "job", "replacement": job} in endpoint["relabelings"]
        for (kind, name), manifest in objects.items():
            template = manifest["spec"]["template"] if kind == "Deployment" else {"metadata": {"labels": {}}}
            if monitor["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items():
                ports = {port["name"] for port in template["spec"]["containers"][0]["ports"]}
                assert endpoint["port"] in ports
                found[name] = job
    assert found == {"singleshot-cpu": "singleshot", "singleshot-gpu": "singleshot", "singleshot-proxy": "proxy"}


def test_the_operator_and_grafana_find_their_objects_by_labels(render: Render) -> None:
    objects = render(ALL)
    for kind, name in (("PodMonitor", "proxy"), ("PodMonitor", "server"), ("PrometheusRule", "alerts")):
        assert objects[kind, f"singleshot-{name}"]["metadata"]["labels"]["release"] == "prometheus"
    dashboard = objects["ConfigMap", "singleshot-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    source = (ROOT / "docker" / "grafana" / "dashboards" / "singleshot.json").read_text()
    assert json.loads(dashboard["data"]["singleshot.json"]) == json.loads(source)
