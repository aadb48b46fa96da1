"""Errors as the client sees them: problem+json (RFC 9457) with the request's id, and never a stack trace."""

import math
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from service.errors import ImageError, RequestError, validation_problems

PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"description": description}
    for code, description in {
        400: "The body is empty or is no valid multipart form",
        401: "An API key is needed",
        404: "No such model",
        408: "The body took too long to arrive",
        413: "Too many bytes or too many pixels",
        415: "Not an image that the server reads",
        422: "A broken image or a parameter out of range",
        429: "Too many requests of this client; try again after Retry-After seconds",
        500: "The engine failed",
        503: "Busy; try again after Retry-After seconds",
        504: "No answer before the request's deadline",
    }.items()
}


PROBLEM_JSON = "application/problem+json"


CLIENT_DEPARTED = 499  # nginx's number: nobody reads the answer, it stands in the metrics only


def retry_after(seconds: float) -> dict[str, str]:
    """The header that says when to try again: whole seconds as RFC 9110 wants it, and the same in ms for who knows it."""
    return {"Retry-After": str(max(1, math.ceil(seconds))), "Retry-After-Ms": str(max(1, math.ceil(1000 * seconds)))}


def busy(detail: str, retry_after_seconds: float) -> RequestError:
    """503 with an honest Retry-After."""
    return RequestError(503, detail, retry_after(retry_after_seconds))


def problem_of(error: RequestError | ImageError) -> dict[str, object]:
    """status, title and detail."""
    detail = error.detail if isinstance(error, RequestError) else str(error)
    return {"status": error.status, "title": _title(error.status), "detail": detail}


def problem_response(error: RequestError | ImageError, scope: Scope) -> Response:
    """The response that tells the client; under /v2 the detail stands in `error` too, where Triton's clients look for it."""
    headers = error.headers if isinstance(error, RequestError) else None
    body = {"type": "about:blank", **problem_of(error), "request_id": scope["state"]["request_id"]}
    if scope["path"].startswith("/v2"):
        body["error"] = body["detail"]
    return Response(to_json(body), error.status, headers, media_type=PROBLEM_JSON)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every kind of error, the framework's own too, as problem+json."""

    @app.exception_handler(RequestError)
    @app.exception_handler(ImageError)
    async def on_problem(request: Request, error: RequestError | ImageError) -> Response:
        return problem_response(error, request.scope)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        problem = RequestError(error.status_code, f"{request.method} {request.url.path}: {error.detail}", error.headers)
        return problem_response(problem, request.scope)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        return problem_response(RequestError(422, validation_problems(error.errors())), request.scope)


def _title(status: int) -> str:
    return "Client Closed Request" if status == CLIENT_DEPARTED else HTTPStatus(status).phrase
