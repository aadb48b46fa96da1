"""What Kubernetes and the operators take: a schema for each kind, which refuses unknown fields."""

import functools
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import jsonschema
import pydantic
from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor
from referencing import Registry, Resource

Manifest = dict[str, Any]

FOLDER = resources.files("kubernetes_validate") / "kubernetes-json-schema"
OPERATORS: dict[tuple[str, str], type[pydantic.BaseModel]] = {
    ("keda.sh/v1alpha1", "ScaledObject"): ScaledObject,
    ("monitoring.coreos.com/v1", "PodMonitor"): PodMonitor,
    ("monitoring.coreos.com/v1", "PrometheusRule"): PrometheusRule,
    ("monitoring.coreos.com/v1", "ServiceMonitor"): ServiceMonitor,
}


@functools.cache
def versions() -> list[str]:
    """The versions of Kubernetes whose schemas are there, such as 1.25.0, the oldest first."""
    names = (folder.name for folder in FOLDER.iterdir())
    found = {name.removeprefix("v").removesuffix("-local-strict") for name in names if name.endswith("-local-strict")}
    return sorted(found, key=lambda version: [int(part) for part in version.split(".")])


@functools.cache
def validator_of(version: str, api: str, kind: str) -> jsonschema.Draft202012Validator | None:
    """The validator of a kind in a version of Kubernetes; None if that version has no such kind."""
    group, _, name = api.rpartition("/")
    file = "-".join(part for part in (kind.lower(), group.split(".")[0], name) if part)
    try:
        schema = json.loads((FOLDER / f"v{version}-local-strict" / f"{file}.json").read_text())
    except FileNotFoundError:
        return None
    return jsonschema.Draft202012Validator(schema, registry=definitions_of(version))


@functools.cache
def definitions_of(version: str) -> Registry[Any]:
    """What the schemas of a version of Kubernetes share."""
    content = json.loads((FOLDER / f"v{version}-local-strict" / "_definitions.json").read_text())
    return Resource.from_contents(content) @ Registry()


def find_problem(manifest: Manifest, version: str) -> str | None:
    """Why Kubernetes of that version, or an operator, refuses the manifest; None if it takes it."""
    api, kind = manifest.get("apiVersion", ""), manifest.get("kind", "")
    if model := OPERATORS.get((api, kind)):
        return find_problem_of_operator(manifest, model)
    validator = validator_of(version, api, kind)
    if validator is None:
        return f"there is no {kind or 'kind'} of {api or 'no apiVersion'}"
    error = jsonschema.exceptions.best_match(validator.iter_errors(manifest))
    return f"{error.json_path.removeprefix('$.')}: {error.message}" if error else None


def find_problem_of_operator(manifest: Manifest, model: type[pydantic.BaseModel]) -> str | None:
    """Why the model refuses the manifest. It ignores unknown fields, so what it has not kept is unknown."""
    try:
        kept = model.model_validate(manifest)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    unknown = list(lost_fields(manifest, kept.model_dump(mode="json", by_alias=True, exclude_unset=True)))
    return f"unknown fields: {', '.join(unknown)}" if unknown else None


def lost_fields(given: object, kept: object, place: str = "") -> Iterator[str]:
    """The paths of the fields of `given` that `kept` lacks."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name in kept:
                yield from lost_fields(value, kept[name], f"{place}{name}.")
            else:
                yield f"{place}{name}"
    elif isinstance(given, list) and isinstance(kept, list):
        for index, (value, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost_fields(value, other, f"{place}{index}.")
