"""`make check-manifests` refuses a misspelt field, in the chart's own kinds and in the operators'."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.chart import EXAMPLES, ROOT, Render

PYTHON = ROOT / "build" / "manifests" / "venv" / "bin" / "python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="`make check-manifests` has not installed its schemas")


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let `python -m deploy.manifests` check a file with that text."""
    file = folder / "manifests.yaml"
    file.write_text(text)
    command: list[str | Path] = [PYTHON, "-m", "deploy.manifests", file]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_misspelt_fields_and_wrong_types_are_refused(render: Render, tmp_path: Path) -> None:
    (everything,) = [path for path in EXAMPLES if path.stem == "everything"]
    values = yaml.safe_load(everything.read_text())
    values["gpu"]["autoscaling"] = {"by": "keda"}
    objects = render(values, version="1.30.0")
    texts = {name: yaml.safe_dump(manifest) for name, manifest in objects.items()}
    changes = [
        (("Deployment", "singleshot-cpu"), "readinessProbe", "readynessProbe"),
        (("Deployment", "singleshot-gpu"), "terminationGracePeriodSeconds: 45", "terminationGracePeriodSeconds: 45s"),
        (("HorizontalPodAutoscaler", "singleshot-cpu"), "maxReplicas", "maximumReplicas"),
        (("PodDisruptionBudget", "singleshot-cpu"), "maxUnavailable", "maxUnavailible"),
        (("NetworkPolicy", "singleshot-proxy"), "podSelector", "podsSelector"),
        (("PodMonitor", "singleshot-proxy"), "interval", "intervall"),
        (("PodMonitor", "singleshot-server"), "podMetricsEndpoints", "endpoints"),
        (("PrometheusRule", "singleshot-alerts"), "expr:", "expression:"),
        (("ScaledObject", "singleshot-gpu"), "metricType", "metric"),
    ]
    for name, right, wrong in changes:
        assert right in texts[name]
        texts[name] = texts[name].replace(right, wrong, 1)
    done = check("---\n".join(texts.values()), tmp_path)
    assert done.returncode == 1
    blamed = {line.split(": ")[1] for line in done.stderr.splitlines()}
    assert blamed == {f"{kind} {name}" for (kind, name), _, _ in changes}, done.stderr


def test_the_containers_of_kserve_are_checked(tmp_path: Path) -> None:
    runtime = {"apiVersion": "serving.kserve.io/v1alpha1", "kind": "ServingRuntime", "metadata": {"name": "a"}}
    for field, status in (("image", 0), ("imaje", 1)):
        spec = {"supportedModelFormats": [], "containers": [{"name": "kserve-container", field: "singleshot:cpu"}]}
        assert check(yaml.safe_dump({**runtime, "spec": spec}), tmp_path).returncode == status


def test_what_the_chart_renders_is_taken(render: Render, tmp_path: Path) -> None:
    done = check("---\n".join(yaml.safe_dump(manifest) for manifest in render({}, version="1.30.0").values()), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_no_kubernetes_has_is_refused(tmp_path: Path) -> None:
    done = check("{apiVersion: policy/v1beta1, kind: PodDisruptionBudget, metadata: {name: a}}", tmp_path)
    assert done.returncode == 1
    assert "there is no PodDisruptionBudget of policy/v1beta1 (Kubernetes 1.25.0 to " in done.stderr


def test_without_helm_and_npm_the_check_fails_and_names_the_remedy(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy", symlinks=True)
    (tmp_path / "service").symlink_to(ROOT / "service")
    done = subprocess.run(
        [PYTHON, "-m", "deploy.manifests"],
        cwd=tmp_path,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "there is no helm on the PATH" in line
    assert "install Helm" in line
