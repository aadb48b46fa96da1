"""The chart of deploy/helm as Helm renders it, for the tests beside this file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from deploy.manifests.helm import run_helm

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "helm" / "singleshot"
EXAMPLES = sorted((ROOT / "deploy" / "helm" / "examples").glob("*.yaml"))
NEWEST = "1.37.0"

Manifest = dict[str, Any]
Objects = dict[tuple[str, str], Manifest]  # by kind and name
Render = Callable[..., Objects]


def installed_helm() -> Path | None:
    """Helm of the PATH, or the one that `make check-manifests` has downloaded."""
    downloaded = ROOT / "build" / "manifests" / "helm"
    return Path(found) if (found := shutil.which("helm")) else downloaded if downloaded.exists() else None


def render_with(
    helm: Path,
    folder: Path,
    values: dict[str, Any],
    *,
    version: str = NEWEST,
    chart: Path = CHART,
    release: str = "singleshot",
) -> Objects:
    """The objects of a release in the namespace `vision`; raises HelmError if the values are refused."""
    file = folder / "values.json"
    file.write_text(json.dumps(values))
    place = ["--namespace", "vision", "--kube-version", version, "--values", str(file)]
    text = run_helm(helm, "template", release, chart, *place)
    manifests = [manifest for manifest in yaml.safe_load_all(text) if manifest]
    return {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}


def pod_of(objects: Objects, deployment: str) -> Manifest:
    """What a Deployment says of its pods."""
    found: Manifest = objects["Deployment", f"singleshot-{deployment}"]["spec"]["template"]["spec"]
    return found


def environment_of(objects: Objects, deployment: str) -> dict[str, str]:
    """The environment of the only container of a Deployment's pods."""
    (container,) = pod_of(objects, deployment)["containers"]
    return {variable["name"]: variable["value"] for variable in container["env"]}
