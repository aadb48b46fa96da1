"""A shortcut past the layers of FastAPI, for the busiest route."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import ANSWERED_ERRORS, problem_response


class Application(FastAPI):
    """FastAPI with a shortcut: requests for one path go straight to their handler.

    Middleware, routing and dependency injection cost the event loop as much as all its other work for an image. The
    route of the shortcut stays registered: it is in the OpenAPI document, and it answers other methods.
    """

    _shortcut: ASGIApp | None = None
    _method_and_path: tuple[str, str] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the application."""
        is_shortcut = scope["type"] == "http" and (scope["method"], scope["path"]) == self._method_and_path
        if self._shortcut is not None and is_shortcut:
            await self._shortcut(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def add_shortcut(
        self,
        method: str,
        path: str,
        handler: Callable[[Request], Awaitable[Response]],
        middleware: Callable[[ASGIApp], ASGIApp],
    ) -> None:
        """Serve `method` on `path`, which has a route, with `handler` inside `middleware`."""
        route = next(route for route in self.routes if getattr(route, "path", None) == path)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            scope["app"], scope["route"] = self, route
            try:
                response = await handler(Request(scope, receive, send))
            except ANSWERED_ERRORS as error:
                response = problem_response(error, scope)
            await response(scope, receive, send)

        self._method_and_path = method, path
        self._shortcut = middleware(answer)
