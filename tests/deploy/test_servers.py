"""The Deployments of the servers: their pods, probes, settings and processors."""

from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.deploy.chart import ROOT, Render, environment_of, pod_of

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@pytest.mark.parametrize(
    ("values", "drain_seconds"),
    [
        ({}, 35),
        ({"settings": {"DRAIN_LIMIT_SECONDS": 120}}, 125),
        ({"settings": {"DRAIN_GRACE_SECONDS": 0.5, "DRAIN_LIMIT_SECONDS": 0.2}}, 0.7),
        ({"settings": {"DRAIN_LIMIT_SECONDS": 120}, "cpu": {"settings": {"DRAIN_LIMIT_SECONDS": 300}}}, 305),
        ({"settings": {"DRAIN_GRACE_SECONDS": None, "DRAIN_LIMIT_SECONDS": None}}, 32),  # the server's own
    ],
)
def test_kubernetes_waits_longer_than_a_server_drains(
    render: Render, values: dict[str, Any], drain_seconds: float
) -> None:
    grace_seconds = pod_of(render(values), "cpu")["terminationGracePeriodSeconds"]
    assert drain_seconds + 9 < grace_seconds < drain_seconds + 11


def test_the_chart_assumes_the_defaults_of_the_server() -> None:
    fields = Settings.model_fields
    assert fields["drain_grace_seconds"].default + fields["drain_limit_seconds"].default == 32
    assert fields["stuck_seconds"].default == 30


@pytest.mark.parametrize("seconds", [None, 3, 300])
def test_a_stuck_server_has_time_to_end_itself_before_the_liveness_probe_ends_it(
    render: Render, seconds: float | None
) -> None:
    settings = {} if seconds is None else {"STUCK_SECONDS": seconds}
    (container,) = pod_of(render({"settings": settings}), "cpu")["containers"]
    probe = container["livenessProbe"]
    assert probe["httpGet"]["path"] == "/healthz"
    assert probe["periodSeconds"] * probe["failureThreshold"] >= max(30, 2 * (seconds or 30))


def test_a_server_may_start_as_long_as_the_values_say(render: Render) -> None:
    (container,) = pod_of(render({"cpu": {"startSeconds": 77}}), "cpu")["containers"]
    probe = container["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == 77
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_settings_reach_the_server_as_it_reads_them(render: Render) -> None:
    settings = {"MAX_BODY_BYTES": 33554432, "OBJECTIVE_SECONDS": 0.25, "ENGINE_BUILD": False, "RELOAD_SECONDS": 0}
    environment = environment_of(render({"settings": settings}), "cpu")
    passed = {name.removeprefix("SINGLESHOT_"): value for name, value in environment.items()}
    assert {name: passed[name] for name in settings} == {
        "MAX_BODY_BYTES": "33554432",
        "OBJECTIVE_SECONDS": "0.25",
        "ENGINE_BUILD": "false",
        "RELOAD_SECONDS": "0",
    }


def test_a_setting_of_one_kind_of_servers_comes_before_that_of_all(render: Render) -> None:
    values = {
        "settings": {"MAX_BATCH": 8, "ENGINE_BUILD": True},
        "gpu": {"enabled": True, "settings": {"MAX_BATCH": 32, "ENGINE_BUILD": False}},
    }
    objects = render(values)
    cpu, gpu = environment_of(objects, "cpu"), environment_of(objects, "gpu")
    assert (cpu["SINGLESHOT_MAX_BATCH"], cpu["SINGLESHOT_ENGINE_BUILD"]) == ("8", "true")
    assert (gpu["SINGLESHOT_MAX_BATCH"], gpu["SINGLESHOT_ENGINE_BUILD"]) == ("32", "false")


def test_a_server_on_a_gpu_gets_one_and_a_place_for_its_engines(render: Render) -> None:
    place = {"runtimeClassName": "nvidia", "nodeSelector": {"nvidia.com/gpu.present": "true"}}
    objects = render({"gpu": {"enabled": True, **place}})
    pod = pod_of(objects, "gpu")
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert {name: pod[name] for name in place} == place
    assert any(toleration["key"] == "nvidia.com/gpu" for toleration in pod["tolerations"])
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == "engines"]
    assert mount["mountPath"] == COMPOSE["services"]["gpu-0"]["environment"]["SINGLESHOT_ENGINE_CACHE"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "engines"]
    assert "emptyDir" in volume
    assert "nvidia.com/gpu" not in str(pod_of(objects, "cpu"))


def test_engines_are_kept_in_a_claim_if_one_is_named(render: Render) -> None:
    pod = pod_of(render({"gpu": {"enabled": True, "engineCache": {"claim": "engines"}}}), "gpu")
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "engines"]
    assert volume["persistentVolumeClaim"] == {"claimName": "engines"}


def test_servers_get_memory_and_room_as_in_compose(render: Render) -> None:
    objects = render({"gpu": {"enabled": True}})
    for deployment, memory, room in (("cpu", "4Gi", "256Mi"), ("gpu", "16Gi", "2Gi")):
        pod = pod_of(objects, deployment)
        (container,) = pod["containers"]
        (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "tmp"]
        assert container["resources"]["limits"]["memory"] == memory
        assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": room}


def test_a_signal_stops_a_server_that_still_loads(render: Render) -> None:
    assert COMPOSE["services"]["server"]["init"] is True  # does the same in compose
    assert pod_of(render({}), "cpu")["shareProcessNamespace"] is True
