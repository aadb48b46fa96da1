"""The proxy and the Services: HAProxy runs with the configuration of compose."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.chart import CHART, ROOT, Objects, Render, environment_of, pod_of, render_with

LINKS = {
    "haproxy.cfg": "docker/haproxy.cfg",
    "tls.cfg": "docker/tls.cfg",
    "rules.yml": "docker/prometheus/rules.yml",
    "alerts.yml": "docker/prometheus/alerts.yml",
    "dashboard.json": "docker/grafana/dashboards/singleshot.json",
}


@pytest.mark.parametrize(("name", "file"), LINKS.items())
def test_the_chart_shares_files_with_compose(name: str, file: str) -> None:
    assert (CHART / "files" / name).is_symlink()
    assert (CHART / "files" / name).resolve() == ROOT / file


@pytest.mark.parametrize("has_tls", [True, False])
def test_the_proxy_has_the_configuration_of_compose(render: Render, has_tls: bool) -> None:
    objects = render({"proxy": {"tlsSecret": "certificate" if has_tls else ""}})
    data = objects["ConfigMap", "singleshot-proxy"]["data"]
    assert data["haproxy.cfg"] == (ROOT / "docker" / "haproxy.cfg").read_text()
    assert ("tls.cfg" in data) is has_tls
    (container,) = pod_of(objects, "proxy")["containers"]
    assert ("/usr/local/etc/haproxy/tls.cfg" in container["args"]) is has_tls
    ports = [port["name"] for port in objects["Service", "singleshot"]["spec"]["ports"]]
    assert ports == (["http", "https"] if has_tls else ["http"])


@pytest.mark.parametrize("enabled", [("cpu",), ("gpu",), ("cpu", "gpu")])
def test_the_proxy_finds_the_replicas_by_headless_services(render: Render, enabled: tuple[str, ...]) -> None:
    objects = render({kind: {"enabled": kind in enabled} for kind in ("cpu", "gpu")})
    environment = environment_of(objects, "proxy")
    for kind in ("cpu", "gpu"):
        name = environment[f"{kind.upper()}_REPLICAS"]
        assert name == f"singleshot-{kind}.vision.svc.cluster.local:8000"
        assert (("Service", f"singleshot-{kind}") in objects) is (kind in enabled)
    for kind in enabled:
        service = objects["Service", f"singleshot-{kind}"]["spec"]
        labels = objects["Deployment", f"singleshot-{kind}"]["spec"]["template"]["metadata"]["labels"]
        assert service["clusterIP"] == "None"
        assert "publishNotReadyAddresses" not in service  # the proxies would try a replica that still loads
        assert service["selector"].items() <= labels.items()


@pytest.mark.parametrize(
    ("values", "number"),
    [
        ({}, 16),
        ({"cpu": {"replicas": 20}}, 40),
        ({"cpu": {"autoscaling": {"by": "keda", "maxReplicas": 30}}}, 60),
        ({"gpu": {"enabled": True, "replicas": 10}}, 20),
    ],
)
def test_the_proxy_has_room_for_old_and_new_replicas(render: Render, values: dict[str, Any], number: int) -> None:
    assert environment_of(render(values), "proxy")["MAX_REPLICAS"] == str(number)


def selected(objects: Objects) -> set[str]:
    """The Deployments whose pods the main Service reaches."""
    selector = objects["Service", "singleshot"]["spec"]["selector"]
    return {
        name
        for (kind, name), found in objects.items()
        if kind == "Deployment" and selector.items() <= found["spec"]["template"]["metadata"]["labels"].items()
    }


def test_clients_reach_the_proxy_and_without_it_the_servers(render: Render) -> None:
    assert selected(render({"gpu": {"enabled": True}})) == {"singleshot-proxy"}
    without = render({"gpu": {"enabled": True}, "proxy": {"enabled": False}})
    assert selected(without) == {"singleshot-cpu", "singleshot-gpu"}
    assert not any(name.endswith("-proxy") for _, name in without)


def test_servers_trust_the_address_of_a_client_only_from_the_proxy(render: Render) -> None:
    assert environment_of(render({}), "cpu")["FORWARDED_ALLOW_IPS"] == "*"
    assert "FORWARDED_ALLOW_IPS" not in environment_of(render({"proxy": {"enabled": False}}), "cpu")
    (variable,) = [
        variable
        for variable in pod_of(render({"env": {"FORWARDED_ALLOW_IPS": "10.0.0.1"}}), "cpu")["containers"][0]["env"]
        if variable["name"] == "FORWARDED_ALLOW_IPS"
    ]
    assert variable["value"] == "10.0.0.1"


def test_a_proxy_has_time_to_answer_what_it_has_accepted(render: Render) -> None:
    pod = pod_of(render({}), "proxy")
    _, sleep_seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    (server_seconds,) = re.findall(r"timeout server (\d+)s", (ROOT / "docker" / "haproxy.cfg").read_text())
    assert pod["terminationGracePeriodSeconds"] > int(sleep_seconds) + int(server_seconds)


def test_a_changed_configuration_starts_new_proxies(helm: Path, tmp_path: Path) -> None:
    chart = tmp_path / "singleshot"
    shutil.copytree(CHART, chart)
    before = render_with(helm, tmp_path, {}, chart=chart)
    configuration = chart / "files" / "haproxy.cfg"
    configuration.write_text(configuration.read_text().replace("timeout connect 2s", "timeout connect 3s"))
    after = render_with(helm, tmp_path, {}, chart=chart)
    assert pod_of(before, "proxy") == pod_of(after, "proxy")
    templates = [objects["Deployment", "singleshot-proxy"]["spec"]["template"] for objects in (before, after)]
    assert templates[0] != templates[1]


@pytest.mark.skipif(not shutil.which("haproxy"), reason="haproxy is not installed")
@pytest.mark.parametrize("deployment", ["compose", "kubernetes"])
def test_haproxy_takes_the_configuration_in_both_environments(render: Render, deployment: str) -> None:
    environment = environment_of(render({}), "proxy") if deployment == "kubernetes" else {}
    checked = subprocess.run(
        ["haproxy", "-c", "-f", ROOT / "docker" / "haproxy.cfg"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
