"""Web pages of other origins: which of them may read answers (https://fetch.spec.whatwg.org/#http-cors-protocol)."""

from collections.abc import Callable, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS = ("GET", "HEAD", "POST")
REQUEST_HEADERS = (
    "Authorization",
    "Inference-Header-Content-Length",
    "X-API-Key",
    "X-Request-Id",
    "X-Request-Timeout-Ms",
    "traceparent",
    "tracestate",
)
ANSWER_HEADERS = (
    "Inference-Header-Content-Length",
    "Retry-After",
    "Retry-After-Ms",
    "Server-Timing",
    "WWW-Authenticate",
    "X-Model-Name",
    "X-Model-Version",
    "X-Request-Id",
)


class Origins:
    """The origins whose pages may read answers; `*` means all. Cookies are never allowed."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = allowed
        self._is_any = "*" in allowed

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """The application with the headers in each answer, and with answers to the preflight requests of browsers.

        It should be around everything that answers: a page can read no answer without these headers.
        """
        return CORSMiddleware(
            app,
            allow_origins=self._allowed,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=ANSWER_HEADERS,
        )

    def around(self, inner: Callable[[ASGIApp], ASGIApp]) -> Callable[[ASGIApp], ASGIApp]:
        """The middleware around another one."""
        return lambda app: self.middleware(inner(app))

    def headers_for(self, origin: str | None) -> dict[str, str]:
        """The headers of an answer that is made without the application.

        `origin` is the header of the request; None if it is not known, so that only a single origin can be served.
        """
        if origin is None and len(self._allowed) == 1:
            origin = self._allowed[0]
        headers = {"Vary": "Origin"}
        if self._is_any or origin in self._allowed:
            headers["Access-Control-Allow-Origin"] = "*" if self._is_any else str(origin)
            headers["Access-Control-Expose-Headers"] = ", ".join(ANSWER_HEADERS)
        return headers
