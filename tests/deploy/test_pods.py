"""What holds for every object of the chart, with each of the example values."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.manifests.helm import HelmError, run_helm
from tests.deploy.chart import CHART, EXAMPLES, ROOT, Manifest, Objects, Render

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest, render: Render) -> Objects:
    path: Path = request.param
    return render(yaml.safe_load(path.read_text()))


def pods(objects: Objects) -> list[Manifest]:
    return [found["spec"]["template"]["spec"] for (kind, _), found in objects.items() if kind == "Deployment"]


def test_a_service_adds_no_variables_to_a_pod_and_a_pod_holds_no_token(example: Objects) -> None:
    for pod in pods(example):
        assert pod["enableServiceLinks"] is False
        assert pod["automountServiceAccountToken"] is False


def test_each_container_is_locked_as_in_compose(example: Objects) -> None:
    service = COMPOSE["services"]["server"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    for pod in pods(example):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_pods_run_as_the_users_of_their_images(render: Render) -> None:
    objects = render({})
    assert "USER 10001:10001" in (ROOT / "docker" / "Dockerfile").read_text()
    users = {
        name: found["spec"]["template"]["spec"]["securityContext"]["runAsUser"]
        for (kind, name), found in objects.items()
        if kind == "Deployment"
    }
    assert users == {"singleshot-cpu": 10001, "singleshot-proxy": 99}


def test_each_mount_has_its_volume_and_each_volume_a_mount(example: Objects) -> None:
    for pod in pods(example):
        containers = [*pod["containers"], *pod.get("initContainers", [])]
        mounted = {mount["name"] for container in containers for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_each_port_names_its_protocol(example: Objects) -> None:
    services = [found["spec"]["ports"] for (kind, _), found in example.items() if kind == "Service"]
    containers = [container["ports"] for pod in pods(example) for container in pod["containers"]]
    assert all(port["protocol"] == "TCP" for ports in (*services, *containers) for port in ports)


def test_pods_are_spread_over_zones_and_nodes(render: Render) -> None:
    for pod in pods(render({})):
        keys = [constraint["topologyKey"] for constraint in pod["topologySpreadConstraints"]]
        assert keys == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    for pod in pods(render({"topologyKeys": []})):
        assert "topologySpreadConstraints" not in pod


def test_an_update_takes_no_pod_away_before_its_successor_is_ready(render: Render) -> None:
    for (kind, _), found in render({"gpu": {"enabled": True}}).items():
        if kind == "Deployment":
            assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_gpu_without_a_spare_one_is_given_up_first(render: Render) -> None:
    objects = render({"gpu": {"enabled": True, "maxSurge": 0, "maxUnavailable": 1}})
    strategy = objects["Deployment", "singleshot-gpu"]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


@pytest.mark.parametrize(
    ("version", "budget", "autoscaler"),
    [
        ("1.20.2", "policy/v1beta1", "autoscaling/v2beta2"),
        ("1.21.0", "policy/v1", "autoscaling/v2beta2"),
        ("1.23.0", "policy/v1", "autoscaling/v2"),
        ("1.33.4-gke.1172000", "policy/v1", "autoscaling/v2"),
    ],
)
def test_each_kubernetes_gets_the_versions_that_it_has(
    render: Render, version: str, budget: str, autoscaler: str
) -> None:
    objects = render({"cpu": {"autoscaling": {"by": "hpa"}}}, version=version)
    assert objects["PodDisruptionBudget", "singleshot-cpu"]["apiVersion"] == budget
    assert objects["HorizontalPodAutoscaler", "singleshot-cpu"]["apiVersion"] == autoscaler


def test_a_kubernetes_that_is_too_old_is_refused(render: Render) -> None:
    with pytest.raises(HelmError, match="incompatible with Kubernetes"):
        render({}, version="1.19.0")


def test_each_kind_of_pods_has_a_budget_of_its_own(render: Render) -> None:
    objects = render({"gpu": {"enabled": True}, "disruption": {"maxUnavailable": "25%"}})
    for name in ("cpu", "gpu", "proxy"):
        budget = objects["PodDisruptionBudget", f"singleshot-{name}"]["spec"]
        deployment = objects["Deployment", f"singleshot-{name}"]["spec"]
        assert budget["selector"] == deployment["selector"]
        assert budget["maxUnavailable"] == "25%"


def rules_of(objects: Objects, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = objects["NetworkPolicy", f"singleshot-{name}"]["spec"]["ingress"]
    return found


def test_only_the_proxy_and_monitoring_reach_the_servers(render: Render) -> None:
    (rule,) = rules_of(render({}), "server")
    pods, namespaces = rule["from"]
    assert pods["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "proxy"
    assert namespaces["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}


def test_clients_reach_the_doors_of_the_proxy_but_not_its_metrics(render: Render) -> None:
    peers = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    for clients in ([], peers):
        doors, metrics = rules_of(render({"networkPolicy": {"clients": clients}}), "proxy")
        assert [port["port"] for port in doors["ports"]] == ["http"]
        assert doors.get("from", []) == clients
        assert [port["port"] for port in metrics["ports"]] == ["metrics"]
        assert metrics["from"] != []


def test_clients_reach_the_servers_without_a_proxy_also_if_nothing_monitors_them(render: Render) -> None:
    peers = [{"ipBlock": {"cidr": "10.0.0.0/8"}}]
    policy = {"clients": peers, "monitoring": None}
    (rule,) = rules_of(render({"proxy": {"enabled": False}, "networkPolicy": policy}), "server")
    assert rule["from"] == peers


def test_the_servers_may_reach_what_the_values_allow(render: Render) -> None:
    for egress, types in ((None, ["Ingress"]), ([], ["Ingress", "Egress"])):
        policy = render({"networkPolicy": {"egress": egress}})["NetworkPolicy", "singleshot-server"]["spec"]
        assert policy["policyTypes"] == types
        assert policy.get("egress") == egress


def test_network_policies_can_be_left_out(render: Render) -> None:
    objects = render({"networkPolicy": {"enabled": False}})
    assert not any(kind == "NetworkPolicy" for kind, _ in objects)


def test_releases_of_other_names_do_not_meet(helm: Path) -> None:
    manifests = yaml.safe_load_all(run_helm(helm, "template", "second", CHART))
    assert all(manifest["metadata"]["name"].startswith("second-singleshot") for manifest in manifests if manifest)
