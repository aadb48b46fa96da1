"""The OpenAPI document: FastAPI derives it from the routes, and this module describes the errors as problems."""

from typing import Any

from fastapi import FastAPI

from service.api.deadline import MAX_TIMEOUT_MS
from service.api.examples import PROBLEM as PROBLEM_EXAMPLE
from service.api.json_images import JsonImages
from service.api.open_inference.tensors import InferRequest
from service.api.problems import PROBLEM_JSON
from service.api.schemas import DetectQuery, ProblemDetails

TIMEOUT_PARAMETER = {
    "name": "X-Request-Timeout-Ms",
    "in": "header",
    "description": "milliseconds after which the client has no use for the answer",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_MS},
}
QUERY_PARAMETERS = [
    {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}
    for name, schema in DetectQuery.model_json_schema()["properties"].items()
]
PROBLEM = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
SECURITY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "an API key as `Authorization: Bearer KEY`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "an API key as `X-API-Key: KEY`"},
}
OPEN_PATHS = frozenset(  # that need no key
    {
        "/healthz",
        "/readyz",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{name}/ready",
        "/v2/models/{name}/versions/{version}/ready",
    }
)


def tag_of(path: str) -> str:
    """The group of an operation."""
    if path.startswith("/v2"):
        return "Open Inference Protocol"
    return "detection" if path == "/detect" else "operation"


def install_document(app: FastAPI, *, has_keys: bool) -> None:
    """Describe every error as a problem, with or without a listed status; FastAPI would describe its own format.

    If clients need keys, describe how they are sent.
    """
    derive = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        derived = derive()
        schemas = derived.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for model in (ProblemDetails, InferRequest, JsonImages):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
        schemas["ProblemDetails"]["examples"] = [PROBLEM_EXAMPLE]
        if has_keys:
            derived["components"]["securitySchemes"] = SECURITY_SCHEMES
        for path, operations in derived["paths"].items():
            for operation in operations.values():
                operation["tags"] = [tag_of(path)]
                if has_keys and path not in OPEN_PATHS:
                    operation["security"] = [{name: []} for name in SECURITY_SCHEMES]
                responses = operation["responses"]
                for code, response in responses.items():
                    if code >= "400":
                        response["content"] = PROBLEM
                responses["default"] = {"description": "Any other error", "content": PROBLEM}
        return derived

    app.openapi = document  # type: ignore[method-assign]
