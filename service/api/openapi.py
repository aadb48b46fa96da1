"""The OpenAPI document: FastAPI derives it from the routes, and this module describes the errors as problems."""

from typing import Any

from fastapi import FastAPI

from service.api.deadline import MAX_TIMEOUT_MS
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


def install_document(app: FastAPI) -> None:
    """Describe every error as a problem, with or without a listed status; FastAPI would describe its own format."""
    derive = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        derived = derive()
        schemas = derived.setdefault("components", {}).setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        for model in (ProblemDetails, InferRequest):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {}) | {model.__name__: schema}
        for operations in derived["paths"].values():
            for operation in operations.values():
                responses = operation["responses"]
                for code, response in responses.items():
                    if code >= "400":
                        response["content"] = PROBLEM
                responses["default"] = {"description": "Any other error", "content": PROBLEM}
        return derived

    app.openapi = document  # type: ignore[method-assign]
