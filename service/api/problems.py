"""Errors as clients see them: problem+json (RFC 9457) with the request's id, and never a stack trace.

The other rooms raise errors in their own terms, and this module turns them into HTTP. Only ImageError brings its
status.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from service.api.detect_routes import CLIENT_DISCONNECTED
from service.api.request_record import record_of
from service.errors import ImageError, validation_problems
from service.repository.repository import LoadRefusedError, ModelNotFoundError, ModelUnavailableError
from service.scheduling.admission import RejectedError
from service.scheduling.batch_run import BatchFailedError
from service.scheduling.ticket import ExpiredError


class RequestError(Exception):
    """A refused request: the HTTP status, and a sentence that says what is wrong and what would be right.

    `reason` is a label of the metric of rejections, if the refusal is in it.
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, *, reason: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.reason = reason


PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"description": description}
    for code, description in {
        400: "The body is empty or not a valid multipart form, or a bundle was refused",
        401: "An API key is needed",
        404: "No such model",
        408: "The body took too long to arrive",
        413: "Too many bytes or too many pixels",
        415: "Not an image that the server reads",
        422: "A broken image or a parameter out of range",
        429: "Too many requests of this client; try again after Retry-After seconds",
        500: "The engine or the server failed",
        503: "Busy; try again after Retry-After seconds",
        504: "No answer before the request's deadline",
    }.items()
}
PROBLEM_JSON = "application/problem+json"
SERVER_FAILED = "the server failed; its log has the cause under the id of the request"
MAX_DETAIL = 2000  # characters; a client's own text in it can be as long as a body
RETRY_SECONDS = 1.0  # when other requests have freed their memory
UNAVAILABLE_SECONDS = 30.0  # when an operator may have repaired a bundle
PHRASES = {**{status.value: status.phrase for status in HTTPStatus}, CLIENT_DISCONNECTED: "Client Closed Request"}


@dataclass(frozen=True)
class Problem:
    """An error in terms of HTTP."""

    status: int
    detail: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The standard phrase of the status."""
        return PHRASES[self.status]

    def as_json(self) -> dict[str, object]:
        """status, title and detail."""
        return {"status": self.status, "title": self.title, "detail": self.detail}


AnsweredError = (
    RequestError
    | ImageError
    | RejectedError
    | ExpiredError
    | BatchFailedError
    | ModelNotFoundError
    | ModelUnavailableError
    | LoadRefusedError
    | MemoryError
)
ANSWERED_ERRORS: tuple[type[Exception], ...] = AnsweredError.__args__
"""The errors that have a problem of their own. Any other error becomes a 500 in `RequestContext`."""


def problem_of(error: Exception) -> Problem:
    """The problem for one of ANSWERED_ERRORS."""
    problem = _problem_of(error)
    more = len(problem.detail) - MAX_DETAIL
    return problem if more <= 0 else replace(problem, detail=f"{problem.detail[:MAX_DETAIL]}… ({more} characters more)")


def _problem_of(error: Exception) -> Problem:
    match error:
        case RequestError():
            return Problem(error.status, error.detail, error.headers)
        case ImageError(status=503):
            return Problem(503, str(error), retry_after(RETRY_SECONDS))
        case ImageError():
            return Problem(error.status, str(error), retry_after(1) if error.status == 503 else {})
        case RejectedError():
            return Problem(503, f"the server is busy: {error}", retry_after(error.retry_after_seconds))
        case ExpiredError():
            return Problem(504, str(error))
        case BatchFailedError():
            return Problem(500, str(error))
        case ModelNotFoundError():
            return Problem(404, str(error))
        case ModelUnavailableError():
            return Problem(503, str(error), retry_after(UNAVAILABLE_SECONDS))
        case LoadRefusedError():
            return Problem(400, str(error))
        case MemoryError():
            return Problem(
                503, "there is not enough memory for this request now; try again", retry_after(RETRY_SECONDS)
            )
    raise error


def reason_of(error: Exception) -> str:
    """The label of a refusal in the metric of rejections; empty for another error."""
    match error:
        case RejectedError() | RequestError():
            return error.reason
        case ExpiredError():
            return "expired"
        case ModelUnavailableError():
            return "bundle"
    return ""


def retry_after(seconds: float) -> dict[str, str]:
    """The headers with the time to retry, in whole seconds (RFC 9110) and in milliseconds."""
    return {"Retry-After": str(max(1, math.ceil(seconds))), "Retry-After-Ms": str(max(1, math.ceil(1000 * seconds)))}


def problem_body(problem: Problem, request_id: str, path: str = "") -> bytes:
    """The body of an answer; under /v2 the detail is also in `error`, which Triton's clients read."""
    fields = {"type": "about:blank", **problem.as_json(), "request_id": request_id}
    if path.startswith("/v2"):
        fields["error"] = problem.detail
    return to_json(fields)


def raw_answer(problem: Problem, request_id: str, *, closes: bool, path: str = "") -> bytes:
    """The whole answer in bytes, for a connection that answers without the application.

    `closes` if the connection is closed after the answer.
    """
    body = problem_body(problem, request_id, path)
    lines = [
        f"HTTP/1.1 {problem.status} {problem.title}",
        f"content-type: {PROBLEM_JSON}",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        *[f"{name.lower()}: {value}" for name, value in problem.headers.items()],
        *(["connection: close"] if closes else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem_response(error: Exception, scope: Scope) -> Response:
    """The response to one of ANSWERED_ERRORS."""
    problem, record = problem_of(error), record_of(scope)
    record.reason, record.detail = reason_of(error), problem.detail
    body = problem_body(problem, scope["state"]["request_id"], scope["path"])
    return Response(body, problem.status, problem.headers, media_type=PROBLEM_JSON)


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error as problem+json, the framework's own included."""

    async def on_answered_error(request: Request, error: Exception) -> Response:
        return problem_response(error, request.scope)

    for kind in ANSWERED_ERRORS:
        app.add_exception_handler(kind, on_answered_error)

    @app.exception_handler(HTTPException)
    async def on_http_exception(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405 and "GET" in headers.get("Allow", ""):
            headers["Allow"] = ", ".join(sorted({"HEAD", *headers["Allow"].split(", ")}))
        problem = RequestError(error.status_code, f"{request.method} {request.scope['path']}: {error.detail}", headers)
        return problem_response(problem, request.scope)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(request: Request, error: RequestValidationError) -> Response:
        return problem_response(RequestError(422, validation_problems(error.errors())), request.scope)
