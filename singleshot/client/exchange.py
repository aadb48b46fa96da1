"""One request with its tries, without any input or output: a generator that says what to do next."""

import os
import random
import socket
import ssl
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import httpx

from singleshot.client.answer import BUSY, Answer, error_of
from singleshot.client.errors import DeadlineError, UnreachableError

MAX_TIMEOUT_MS = 600_000  # of X-Request-Timeout-Ms
CONNECT_SECONDS = 5.0
UNREACHABLE_SECONDS = 10.0  # a restart takes less, and a wrong address should be reported soon
BACKOFF_SECONDS = 0.05, 1.0  # the first wait after a broken connection, and the longest
LEAST_SECONDS = 0.01  # for a server that asks for no wait at all
JITTER = 0.2  # more than the wait that is asked for, never less: the server holds early ones back
PASSING_ERRORS = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError, httpx.ConnectTimeout)


@dataclass(frozen=True)
class Call:
    """What to send. `seconds` are for all tries; `is_told` if the server gets them as X-Request-Timeout-Ms."""

    method: str
    path: str
    content: bytes = b""
    seconds: float = 60.0
    is_told: bool = False


@dataclass(frozen=True)
class Send:
    """Send the call. There must be an outcome at `deadline` (time.monotonic())."""

    call: Call
    deadline: float

    @property
    def headers(self) -> dict[str, str]:
        """The headers of this try."""
        if not self.call.is_told:
            return {}
        milliseconds = round(1000 * (self.deadline - time.monotonic()))
        return {"X-Request-Timeout-Ms": str(min(max(1, milliseconds), MAX_TIMEOUT_MS))}

    @property
    def timeouts(self) -> dict[str, float]:
        """The seconds of each step of the try, as httpx names them."""
        left = max(0.001, self.deadline - time.monotonic())
        return {"connect": min(left, CONNECT_SECONDS), "read": left, "write": left, "pool": left}


@dataclass(frozen=True)
class Wait:
    """Wait for so many seconds."""

    seconds: float


T = TypeVar("T")
Outcome: TypeAlias = Answer | httpx.RequestError | None
Steps: TypeAlias = Generator[Send | Wait, Outcome, T]


def exchange(call: Call, url: str) -> Steps[Answer]:
    """Try until another try would change nothing, or until the time is over.

    It yields Send, and gets the answer or httpx's error of that try; or Wait, and gets None. It returns the answer 200,
    and raises DetectError for any other end. A detection changes nothing in the server, so it may be tried again.
    """
    last_answer = start = time.monotonic()
    deadline = start + call.seconds
    backoff = _backoff()
    while True:
        outcome = yield Send(call, deadline)
        limit = deadline
        if isinstance(outcome, Answer):
            if outcome.status == 200:
                return outcome
            error, cause = error_of(outcome), None
            last_answer, asked = time.monotonic(), outcome.retry_seconds()
            is_passing = outcome.status in BUSY or outcome.status == 502
        else:
            assert outcome is not None
            error, cause, asked = _lost(outcome, call, url), outcome, None
            limit = min(deadline, last_answer + UNREACHABLE_SECONDS)
            is_passing = isinstance(outcome, PASSING_ERRORS) and not _is_tls_refused(outcome)
        seconds = next(backoff) if asked is None else max(asked, LEAST_SECONDS)
        seconds *= random.uniform(1, 1 + JITTER)
        if not is_passing or time.monotonic() + seconds >= limit:
            raise error from cause
        yield Wait(seconds)


def _backoff() -> Iterator[float]:
    seconds, longest = BACKOFF_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, longest)


def _lost(error: httpx.RequestError, call: Call, url: str) -> DeadlineError | UnreachableError:
    """The error for a try without an answer."""
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
        return DeadlineError(f"{url} gave no answer within {call.seconds:g} s")
    remedy = "is the server running, and is this its address?"
    if _is_tls_refused(error):
        remedy = "is this its address? If you trust its certificate, give the certificate's file as verify"
    return UnreachableError(f"{url} cannot be reached: {_reason_of(error)}; {remedy}")


def _reason_of(error: httpx.RequestError) -> str:
    """The words of the operating system if it is the cause, which say more than those of the libraries."""
    for cause in _causes_of(error):
        if isinstance(cause, ssl.SSLError | socket.gaierror):
            break  # their numbers are not the system's
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
    return str(error) or type(error).__name__


def _is_tls_refused(error: httpx.RequestError) -> bool:
    """Whether one side refuses the other's certificate or TLS itself, which no other try would change."""
    return any(
        isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError) for cause in _causes_of(error)
    )


def _causes_of(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
