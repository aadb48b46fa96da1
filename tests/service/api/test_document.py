"""The OpenAPI document: where keys are needed, and examples that the server answers as they stand."""

from pathlib import Path
from typing import Any

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.served_app import settings

jsonschema_rs = pytest.importorskip("jsonschema_rs")  # schemathesis brings it
KEY = "a-secret"


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """The method, the path and the description of each operation."""
    return [(method, path, found) for path, methods in document["paths"].items() for method, found in methods.items()]


def test_the_document_says_which_operations_need_a_key_and_how_it_is_sent(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"somebody {KEY}\n")
    limits = settings(tiny_bundle.path, api_keys_file=tmp_path / "keys", model_control=True)
    with AsgiClient(create_app(limits)) as running:
        document = running.get("/openapi.json").json()
        schemes = document["components"]["securitySchemes"]
        for method, path, operation in operations(document):
            url = path.format(name="tiny", version="1")
            needs_key = running.request(method, url).status_code == 401
            assert operation.get("security", []) == ([{name: []} for name in schemes] if needs_key else []), path
        assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
        header = schemes["header"]
        assert (header["type"], header["in"]) == ("apiKey", "header")
        for headers in ({"Authorization": f"Bearer {KEY}"}, {header["name"]: KEY}):
            assert running.get("/models", headers=headers).status_code == 200


def test_without_keys_the_document_has_no_security(client: AsgiClient) -> None:
    document = client.get("/openapi.json").json()
    assert "securitySchemes" not in document["components"]
    assert not [path for _, path, operation in operations(document) if "security" in operation]


@pytest.mark.parametrize("path", ["/detect", "/v2/models/{name}/infer", "/v2/models/{name}/versions/{version}/infer"])
def test_the_examples_of_a_request_and_of_its_answer_hold(client: AsgiClient, path: str) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"][path]["post"]
    request = operation["requestBody"]["content"]["application/json"]
    answer = operation["responses"]["200"]["content"]["application/json"]
    check(document, request["example"], request["schema"])
    response = client.post(path.format(name="tiny", version="1"), json=request["example"])
    assert response.status_code == 200, response.text
    for found in (response.json(), answer["example"]):
        check(document, found, answer["schema"])
    assert response.json().keys() == answer["example"].keys()


def test_the_example_of_a_problem_has_its_form(client: AsgiClient) -> None:
    document = client.get("/openapi.json").json()
    (example,) = document["components"]["schemas"]["ProblemDetails"]["examples"]
    check(document, example, {"$ref": "#/components/schemas/ProblemDetails"})
    found = client.post("/detect", content=b"hello").json()
    assert {**example, "request_id": ""} == {**found, "request_id": ""}


def check(document: dict[str, Any], value: object, schema: dict[str, Any]) -> None:
    """Check a value against a schema of the document."""
    jsonschema_rs.validate({**document, **schema}, value)
