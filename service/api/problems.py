"""Errors as clients see them: problem+json (RFC 9457) with the request's id, and never a stack trace.

The other rooms raise errors in their own terms; here, and nowhere else, they become HTTP.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from service.errors import ImageError, validation_problems
from service.repository.repository import LoadRefusedError, ModelNotFoundError
from service.scheduling.admission import RejectedError
from service.scheduling.batch_run import BatchFailedError, ExpiredError


class RequestError(Exception):
    """A refused request: the HTTP status, and a sentence that says what is wrong and what would be right."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


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
CLIENT_DISCONNECTED = 499  # nginx's status for a client that closed the connection: it appears in the metrics only


@dataclass(frozen=True)
class Problem:
    """An error in terms of HTTP."""

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The standard phrase of the status."""
        return "Client Closed Request" if self.status == CLIENT_DISCONNECTED else HTTPStatus(self.status).phrase

    def as_json(self) -> dict[str, object]:
        """status, title and detail."""
        return {"status": self.status, "title": self.title, "detail": self.detail}


ClientError = (
    RequestError | ImageError | RejectedError | ExpiredError | BatchFailedError | ModelNotFoundError | LoadRefusedError
)
CLIENT_ERRORS: tuple[type[Exception], ...] = ClientError.__args__
"""The errors that become problems. Any other error is a fault of the server, see `RequestContext`."""


def problem_of(error: Exception) -> Problem:
    """The problem for one of CLIENT_ERRORS."""
    match error:
        case RequestError():
            return Problem(error.status, error.detail, error.headers)
        case ImageError():
            return Problem(error.status, str(error))
        case RejectedError():
            return Problem(503, f"the server is busy: {error}", retry_after(error.retry_after_seconds))
        case ExpiredError():
            return Problem(504, str(error))
        case BatchFailedError():
            return Problem(500, str(error))
        case ModelNotFoundError():
            return Problem(404, str(error))
        case LoadRefusedError():
            return Problem(400, str(error))
    raise error


def retry_after(seconds: float) -> dict[str, str]:
    """The headers with the time to retry, in whole seconds (RFC 9110) and in milliseconds."""
    return {"Retry-After": str(max(1, math.ceil(seconds))), "Retry-After-Ms": str(max(1, math.ceil(1000 * seconds)))}


def problem_response(error: Exception, scope: Scope) -> Response:
    """The response to one of CLIENT_ERRORS; under /v2 the detail is also in `error`, where Triton's clients look for
    it.
    """
    problem = problem_of(error)
    body = {"type": "about:blank", **problem.as_json(), "request_id": scope["state"]["request_id"]}
    if scope["path"].startswith("/v2"):
        body["error"] = problem.detail
    return Response(to_json(body), problem.status, problem.headers, media_type=PROBLEM_JSON)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error as problem+json, the framework's own included."""

    async def on_client_error(request: Request, error: Exception) -> Response:
        return problem_response(error, request.scope)

    for kind in CLIENT_ERRORS:
        app.add_exception_handler(kind, on_client_error)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        problem = RequestError(error.status_code, f"{request.method} {request.url.path}: {error.detail}", error.headers)
        return problem_response(problem, request.scope)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        return problem_response(RequestError(422, validation_problems(error.errors())), request.scope)
