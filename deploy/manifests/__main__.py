"""Check the Helm chart with each file of deploy/helm/examples, and the other manifests of deploy/.

    make check-manifests

Helm lints and renders the chart for each version of Kubernetes. Each object must fit the schema of its kind, without an
unknown field; of KServe's kinds this holds for the containers and the volumes only. With files, as in
`python -m deploy.manifests FILE...`, it checks these instead.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from deploy.manifests.helm import HelmError, find_helm, run_helm
from deploy.manifests.schemas import Manifest, find_problem, versions

DEPLOY = Path(__file__).parents[1]
CHART = DEPLOY / "helm" / "singleshot"
CACHE = DEPLOY.parent / "build" / "manifests"
OLDEST = "1.20.2"  # of Chart.yaml; it has no schemas, so the next versions' judge its manifests
SUCCESSORS = {"policy/v1beta1": "policy/v1", "autoscaling/v2beta2": "autoscaling/v2"}
KSERVE = "serving.kserve.io/"  # no package has schemas for it

Problems = dict[str, list[str]]  # what is wrong -> the versions of Kubernetes


def main() -> int:
    """Print each problem -> the exit status: 1 if there is one."""
    parser = argparse.ArgumentParser(
        prog="python -m deploy.manifests", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="a file with manifests, instead of all")
    files = parser.parse_args().files
    try:
        problems = check_files(files) if files else check_chart() | check_files(other_files())
    except (HelmError, OSError, yaml.YAMLError) as error:
        print(error, file=sys.stderr)
        return 1
    for problem, found in problems.items():
        print(f"{problem} (Kubernetes {found[0]} to {found[-1]})", file=sys.stderr)
    return bool(problems)


def other_files() -> list[Path]:
    """The manifests beside the chart."""
    return [file for folder in ("kserve", "kubernetes") for file in sorted((DEPLOY / folder).glob("**/*.yaml"))]


def check_chart() -> Problems:
    """The problems of the chart with each file of values."""
    helm = find_helm(CACHE)
    examples = sorted((DEPLOY / "helm" / "examples").glob("*.yaml"))
    problems: Problems = {}
    count = 0
    for values in examples:
        print(f"the chart with {values.name}", flush=True)
        run_helm(helm, "lint", "--strict", CHART, "--values", values)
        for version in (OLDEST, *versions()):
            manifests = read(run_helm(helm, "template", "test", CHART, "--values", values, "--kube-version", version))
            count += len(manifests)
            for problem in check(manifests, version):
                problems.setdefault(f"{values.name}: {problem}", []).append(version)
    print(f"{count} objects, for Kubernetes {OLDEST} and {versions()[0]} to {versions()[-1]}")
    return problems


def check_files(files: Iterable[Path]) -> Problems:
    """The problems of the manifests in these files."""
    problems: Problems = {}
    for file in files:
        manifests = read(file.read_text())
        for version in versions():
            for problem in check(manifests, version):
                problems.setdefault(f"{file.name}: {problem}", []).append(version)
        print(f"{file.name}: {len(manifests)} objects")
    return problems


def read(text: str) -> list[Manifest]:
    """The manifests in a text of YAML."""
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def check(manifests: Iterable[Manifest], version: str) -> Iterator[str]:
    """The problems of manifests that are applied together, in a version of Kubernetes."""
    names: Counter[str] = Counter()
    for manifest in manifests:
        name = f"{manifest.get('kind')} {manifest.get('metadata', {}).get('name')}"
        names[name] += 1
        api = manifest.get("apiVersion", "")
        if api.startswith(KSERVE):
            manifest, api = pod_of(manifest), "v1"
        schema = version
        if version == OLDEST:
            schema, api = versions()[0], SUCCESSORS.get(api, api)
        if problem := find_problem({**manifest, "apiVersion": api}, schema):
            yield f"{name}: {problem}"
    yield from (f"there are {count} of {name}" for name, count in names.items() if count > 1)


def pod_of(manifest: Manifest) -> Manifest:
    """What KServe's kind says of a pod, as a pod; without it, a pod that is always valid."""
    spec = manifest.get("spec", {})
    parts = {"containers": []} | {name: spec[name] for name in ("containers", "volumes") if name in spec}
    return {"kind": "Pod", "metadata": {}, "spec": parts}


if __name__ == "__main__":
    sys.exit(main())
