"""The manifests for KServe agree with the server: its arguments, its routes, its settings and its times."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.__main__ import read_settings
from service.api.app import create_app
from service.bundle import Manifest
from service.environment import check_environment
from service.settings import MOUNTED_BUNDLES, Settings
from tests.asgi_client import AsgiClient
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "deploy" / "kserve"
RUNTIMES = ["serving-runtime.yaml", "serving-runtime-gpu.yaml"]
POD_END_SECONDS = 30  # Kubernetes' default for the end of a pod, which a ServingRuntime cannot change


def read_runtime(name: str) -> dict[str, Any]:
    spec: dict[str, Any] = yaml.safe_load((MANIFESTS / name).read_text())["spec"]
    return spec


def read_container(name: str) -> dict[str, Any]:
    """The only container of a runtime, under the name by which KServe finds it."""
    (container,) = read_runtime(name)["containers"]
    assert container["name"] == "kserve-container"
    found: dict[str, Any] = container
    return found


def settings_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings with which KServe starts the container for the InferenceService `blood-cells`."""
    container = read_container(name)
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    check_environment(environment, Settings.model_fields)
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    return read_settings([argument.replace("{{.Name}}", "blood-cells") for argument in container["args"]])


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_server_takes_the_arguments_and_the_environment(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings_of(name, monkeypatch)
    assert found.bundles == (str(MOUNTED_BUNDLES),)
    assert found.serve_as == ("blood-cells",)
    assert found.drain_grace_seconds + found.drain_limit_seconds < POD_END_SECONDS - 5


@pytest.mark.parametrize("name", RUNTIMES)
def test_all_ports_are_the_one_on_which_the_server_listens(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    container, port = read_container(name), settings_of(name, monkeypatch).port
    assert [entry["containerPort"] for entry in container["ports"]] == [port]
    assert read_runtime(name)["annotations"]["prometheus.kserve.io/port"] == str(port)
    assert {container[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} == {port}


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_probes_and_the_metrics_are_routes_of_the_server(name: str, tmp_path: Path) -> None:
    container = read_container(name)
    paths = [container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")]
    paths.append(read_runtime(name)["annotations"]["prometheus.kserve.io/path"])
    with AsgiClient(create_app(settings(write_tiny_bundle(tmp_path / "tiny").path))) as client:
        assert [client.get(path).status_code for path in paths] == [200, 200, 200]


@pytest.mark.parametrize("name", RUNTIMES)
def test_the_server_writes_only_to_volumes(name: str) -> None:
    runtime, container = read_runtime(name), read_container(name)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounted.keys() == {volume["name"] for volume in runtime["volumes"]}
    assert mounted["tmp"] == "/tmp"
    if "engines" in mounted:
        dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
        assert f"SINGLESHOT_ENGINE_CACHE={mounted['engines']}" in dockerfile


def test_the_runtimes_differ_only_in_what_a_gpu_needs() -> None:
    cpu, gpu = (read_container(name) for name in RUNTIMES)
    assert {name for name in cpu if cpu[name] != gpu[name]} == {"image", "resources", "volumeMounts"}
    assert gpu["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_the_example_asks_for_a_format_and_a_protocol_of_its_runtime() -> None:
    service = yaml.safe_load((MANIFESTS / "inference-service.yaml").read_text())
    model = service["spec"]["predictor"]["model"]
    manifest = yaml.safe_load((MANIFESTS / "serving-runtime.yaml").read_text())
    (supported,) = manifest["spec"]["supportedModelFormats"]
    assert supported["version"] == str(Manifest.model_fields["format"].default)
    assert model["runtime"] == manifest["metadata"]["name"]
    assert model["modelFormat"] == {name: supported[name] for name in ("name", "version")}
    assert model["protocolVersion"] in manifest["spec"]["protocolVersions"]
