"""A way past the framework's layers, for the one route that is asked all the time."""

from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.api.problems import CLIENT_ERRORS, problem_response


class Application(FastAPI):
    """FastAPI, but a request for the path of a shortcut goes straight to its handler.

    Middleware, routing and dependency injection cost as much as all else that the event loop does for an image. The
    shortcut's route stays where it is: it is in the OpenAPI document, and other methods find it.
    """

    _shortcut: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's request, or its life span."""
        if self._shortcut is not None and scope["type"] == "http" and (scope["method"], scope["path"]) == self._asked:
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
        """Answer `method` on `path`, which has a route, by `handler` inside of `middleware`."""
        route = next(route for route in self.routes if getattr(route, "path", None) == path)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            scope["app"], scope["route"] = self, route
            try:
                response = await handler(Request(scope, receive, send))
            except CLIENT_ERRORS as error:
                response = problem_response(error, scope)
            await response(scope, receive, send)

        self._asked = method, path
        self._shortcut = middleware(answer)
