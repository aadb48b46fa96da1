"""Neither the OpenAPI document nor the metrics change by accident."""

import sys
from typing import Any

import pytest

from service import __version__
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.api.surface import COMMAND, FOLDER, differences, interface_of, surface_of

ADVICE = f"the server does not match {FOLDER}/{{}}; if that is intended, run `{COMMAND}` and commit the file:\n{{}}"


@pytest.fixture(scope="module")
def surface(tiny_bundle: Bundle) -> dict[str, Any]:
    return surface_of(tiny_bundle)


def test_the_openapi_document_is_the_recorded_one(surface: dict[str, Any]) -> None:
    found = differences("openapi.json", surface["openapi.json"])
    assert not found, ADVICE.format("openapi.json", found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the metrics of the process")
def test_the_metrics_are_the_recorded_ones(surface: dict[str, Any]) -> None:
    found = differences("metrics.json", surface["metrics.json"])
    assert not found, ADVICE.format("metrics.json", found)


def test_a_changed_surface_is_shown_as_a_diff(surface: dict[str, Any]) -> None:
    metrics = {name: kind for name, kind in surface["metrics.json"].items() if name != "singleshot_ready"}
    assert '- "singleshot_ready": "gauge",' in differences("metrics.json", metrics)


def test_prose_is_no_part_of_the_surface_but_properties_are() -> None:
    schema = {"title": "Problem", "description": "Why", "properties": {"title": {"title": "Title", "type": "string"}}}
    document = {"info": {"title": "Singleshot", "version": "1"}, "components": {"schemas": {"Problem": schema}}}
    assert interface_of(document) == {
        "info": {},
        "components": {"schemas": {"Problem": {"properties": {"title": {"type": "string"}}}}},
    }


def test_the_document_gives_the_version_of_the_package(client: AsgiClient) -> None:
    assert client.get("/openapi.json").json()["info"]["version"] == __version__


def test_the_document_describes_what_detect_takes_and_gives(client: AsgiClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/detect"]["post"]
    assert "multipart/form-data" in operation["requestBody"]["content"]
    assert {"model", "score_threshold", "classes", "nms", "format"} <= {
        item["name"] for item in operation["parameters"]
    }
    assert {"200", "413", "415", "422", "503", "504"} <= set(operation["responses"])
