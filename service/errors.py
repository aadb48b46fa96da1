"""Errors that several rooms raise, and the words for validation errors."""

from collections.abc import Mapping, Sequence
from typing import Any

MAX_LISTED = 20  # a request's body can hold millions of invalid items


class ImageError(Exception):
    """The body is not an image that the server accepts; `status` is the HTTP status: 413, 415 or 422, and 503 if there
    is not enough memory to decode it.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def validation_problems(
    errors: Sequence[Mapping[str, Any]], *, prefix: str = "", empty_location: str = "the request"
) -> str:
    """Pydantic's errors in words: `field.path: message; other.field: message`, at most MAX_LISTED of them.

    errors: `.errors()` of pydantic's ValidationError or of FastAPI's RequestValidationError.
    prefix: stands before each location. empty_location: names the input if an error concerns all of it.
    """
    listed = errors[:MAX_LISTED]
    problems = [f"{prefix}{'.'.join(map(str, item['loc'])) or empty_location}: {item['msg']}" for item in listed]
    if len(errors) > len(listed):
        problems.append(f"and {len(errors) - len(listed)} more")
    return "; ".join(problems)
