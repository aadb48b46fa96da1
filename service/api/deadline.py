"""The objective and the deadline of a request: its X-Request-Timeout-Ms for both, or else those of the server."""

from starlette.datastructures import Headers

from service.api.problems import RequestError
from service.scheduling.admission import TimeLimits

MAX_TIMEOUT_MS = 600_000


def read_timeout(headers: Headers) -> float | None:
    """The timeout in seconds from X-Request-Timeout-Ms; None if the client sent none. Raises RequestError 422."""
    text = headers.get("x-request-timeout-ms")
    if text is None:
        return None
    seconds = seconds_of(text)
    if seconds is None:
        raise RequestError(422, f"X-Request-Timeout-Ms should be a whole number from 1 to {MAX_TIMEOUT_MS}")
    return seconds


def seconds_of(text: str) -> float | None:
    """The seconds of a valid X-Request-Timeout-Ms; None if it is not valid."""
    is_valid = text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= MAX_TIMEOUT_MS
    return int(text) / 1000 if is_valid else None


def limits_of(
    timeout: float | None, *, start: float, received: float, objective_seconds: float, deadline_seconds: float
) -> TimeLimits:
    """The limits of a request whose handler began at `start` and whose last byte came at `received`.

    A client's timeout counts from `start`. The server's objective and deadline count from the last byte: a slow upload
    uses none of them.
    """
    if timeout:
        return TimeLimits(start + timeout, start + timeout)
    return TimeLimits(received + min(objective_seconds, deadline_seconds), received + deadline_seconds)
