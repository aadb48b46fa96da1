"""The values: their schema refuses what is misspelt, and agrees with values.yaml, the settings and the documents."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.manifests.helm import HelmError
from service import __version__
from service.settings import Settings
from tests.deploy.chart import CHART, ROOT, Render, environment_of

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
# The chart sets these, or the image
OWN = {"HOST", "PORT", "BUNDLES", "CANARIES", "CANARY_SHARE", "API_KEYS_FILE", "ENGINE_CACHE"}
# with these, neither the proxy nor the probes would reach the servers; no Service has a port for gRPC
UNREACHABLE = {"GRPC_PORT", "UDS", "SSL_CERTFILE", "SSL_KEYFILE", "SSL_KEYFILE_PASSWORD", "SSL_CA_CERTS"}


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema that a reference names."""
    found: dict[str, Any] = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return found


def paths(schema: dict[str, Any], defaults: Any, place: str = "") -> list[tuple[str, set[str], set[str]]]:
    """Of each object with a fixed set of values: its path, what its schema names and what values.yaml has."""
    schema = resolve(schema)
    if "properties" not in schema or not isinstance(defaults, dict):
        return []
    found = [(place, set(schema["properties"]), set(defaults))]
    for name, inner in schema["properties"].items():
        found += paths(inner, defaults.get(name), f"{place}/{name}")
    return found


@pytest.mark.parametrize(("path", "named", "given"), paths(SCHEMA, DEFAULTS))
def test_each_value_stands_in_the_schema_and_has_a_default(path: str, named: set[str], given: set[str]) -> None:
    assert named - {"global"} == given, path  # Helm adds `global` itself


def test_the_schema_names_the_settings_of_the_server() -> None:
    names = SCHEMA["definitions"]["settings"]["propertyNames"]["enum"]
    assert set(names) == {name.upper() for name in Settings.model_fields} - OWN - UNREACHABLE


@pytest.mark.parametrize(
    "values",
    [
        {"replica": 2},
        {"cpu": {"replica": 2}},
        {"gpu": {"engineCache": {"clame": "engines"}}},
        {"cpu": {"autoscaling": {"max": 3}}},
        {"settings": {"MAX_BACH": 4}},
        {"settings": {"PORT": 4}},
        {"env": {"SINGLESHOT_MAX_BATCH": 4}},
        {"gpu": {"settings": {"max_batch": 4}}},
        {"bundles": [{"name": "a", "claim": "models", "canari": True}]},
        {"cpu": {"replicas": "two"}},
        {"canaryShare": 2},
        {"canaryShare": "2.5"},
        {"cpu": {"autoscaling": {"target": "0.0"}}},
    ],
)
def test_a_misspelt_value_is_refused(render: Render, values: dict[str, Any]) -> None:
    with pytest.raises(HelmError, match="don't meet the specifications of the schema"):
        render(values)


def test_fractions_may_be_text_as_on_the_command_line_of_helm(render: Render) -> None:
    scaling = {"by": "hpa", "target": "0.25"}
    bundles = [{"name": "a", "claim": "a"}, {"name": "b", "claim": "b", "canary": True}]
    objects = render({"cpu": {"autoscaling": scaling}, "bundles": bundles, "canaryShare": "0.05"})
    (metric,) = objects["HorizontalPodAutoscaler", "singleshot-cpu"]["spec"]["metrics"]
    assert metric["pods"]["target"]["averageValue"] == "0.25"
    assert environment_of(objects, "cpu")["SINGLESHOT_CANARY_SHARE"] == "0.05"


@pytest.mark.parametrize("values", [{name: None} for name in SCHEMA["required"]] + [{"cpu": {"autoscaling": None}}])
def test_an_empty_section_is_refused_with_its_name(render: Render, values: dict[str, Any]) -> None:
    name = "autoscaling" if "cpu" in values else next(iter(values))
    with pytest.raises(HelmError, match=f"missing property '{name}'"):
        render(values)


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - set(SCHEMA["required"]) - {"cpu"}))
def test_other_sections_may_be_empty(render: Render, name: str) -> None:
    assert render({name: None})


def leaves(part: Any) -> Iterator[Any]:
    """The values in a manifest that are no list and no object."""
    if isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from leaves(inner)
    else:
        yield part


def test_names_that_look_like_numbers_stay_text(render: Render) -> None:
    names = [str(number) for number in range(20_240, 20_248)]
    values = {
        "bundles": [{"name": "a", "claim": names[0]}, {"name": "b", "url": "s3://models/b"}],
        "fetch": {"secret": names[1]},
        "env": {names[2]: "on"},
        "serviceAccountName": names[3],
        "apiKeys": {"secret": names[4]},
        "gpu": {"enabled": True, "runtimeClassName": names[5], "engineCache": {"claim": names[6]}},
        "proxy": {"tlsSecret": names[7]},
    }
    found = list(leaves(list(render(values, release="20248").values())))
    assert {*names, "20248"} <= set(found)
    assert not set(range(20_240, 20_249)) & {leaf for leaf in found if isinstance(leaf, int)}


@pytest.mark.parametrize("release", ["a.b", "a" * 49 + ".b", "a" * 53])
def test_a_service_has_a_name_that_dns_allows(render: Render, release: str) -> None:
    names = [name for kind, name in render({}, release=release) if kind == "Service"]
    assert all(re.fullmatch("[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name) for name in names), names


def test_a_chart_without_servers_is_refused(render: Render) -> None:
    with pytest.raises(HelmError, match=r"cpu\.enabled and gpu\.enabled are both false"):
        render({"cpu": {"enabled": False}})


def test_the_chart_has_the_version_of_the_server() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize(
    ("image", "default"), [(DEFAULTS["cpu"]["image"], "singleshot:cpu"), (DEFAULTS["gpu"]["image"], "singleshot:gpu")]
)
def test_the_images_are_those_of_compose(image: str, default: str) -> None:
    assert image == default
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"image: {image}\n" in compose
    assert f"HAPROXY_IMAGE:-{DEFAULTS['proxy']['image']}}}" in compose
