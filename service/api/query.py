"""Query parameters and headers of a detect request, read and checked."""

from collections.abc import Sequence
from typing import get_origin

from pydantic import ValidationError
from starlette.datastructures import Headers, QueryParams

from service.api.schemas import DetectQuery
from service.errors import RequestError, validation_problems

MAX_TIMEOUT_MS = 600_000


LIST_PARAMETERS = frozenset(
    name for name, field in DetectQuery.model_fields.items() if get_origin(field.annotation) is list
)


DEFAULT_QUERY = DetectQuery.model_validate({})


def read_query(parameters: QueryParams) -> DetectQuery:
    """The query of /detect; raises RequestError 422. FastAPI's own way takes as long as decoding a small picture."""
    if not parameters:
        return DEFAULT_QUERY
    values = {name: parameters.getlist(name) if name in LIST_PARAMETERS else parameters[name] for name in parameters}
    try:
        return DetectQuery.model_validate(values)
    except ValidationError as error:
        raise RequestError(422, validation_problems(error.errors())) from error


def read_timeout(headers: Headers) -> float | None:
    """Seconds that the client gives its request with X-Request-Timeout-Ms; raises RequestError 422."""
    text = headers.get("x-request-timeout-ms")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MAX_TIMEOUT_MS):
        raise RequestError(422, f"X-Request-Timeout-Ms should be a whole number from 1 to {MAX_TIMEOUT_MS}")
    return int(text) / 1000


def listed(items: Sequence[str]) -> list[str]:
    """A repeated parameter, each with commas inside -> the single values."""
    return [part for item in items for part in item.split(",") if part]


def threshold_of(name: str, value: str) -> float:
    """A score threshold as it stands in the query; raises RequestError 422."""
    try:
        threshold = float(value)
    except ValueError:
        threshold = -1.0
    if not 0 <= threshold <= 1:
        raise RequestError(422, f"class_thresholds: {name}:{value} should be a class, a colon and a number from 0 to 1")
    return threshold
