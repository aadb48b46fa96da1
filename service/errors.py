"""Errors as the client sees them: problem+json (RFC 9457) with the request's id, and never a stack trace."""

from collections.abc import Mapping


class ImageError(Exception):
    """A body that is no image that we take; `status` is the HTTP status that says so (413, 415 or 422)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class RequestError(Exception):
    """A request that is refused: the HTTP status, and a sentence that says what is wrong and what would be right."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
