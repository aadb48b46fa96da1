"""The web page at `/`: the static files of `service/page`, and an example image for each model."""

from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from service.api.state import ServerState

PAGE = Path(__file__).parents[1] / "page"
HEADERS = {
    "Accept-Ranges": "none",  # the files are small, and Starlette's errors of ranges are no problems
    "Cache-Control": "no-cache",  # a browser asks again each time, and gets a 304 unless the file has changed
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def add_page(app: FastAPI, server: ServerState) -> None:
    """Add GET /, GET /page/{name} for the files that the page loads, and GET /models/{name}/golden."""
    files = StaticFiles(directory=PAGE)

    async def answer(name: str, request: Request) -> Response:
        request.scope["headers"] = [header for header in request.scope["headers"] if header[0] != b"range"]
        response = await files.get_response(name, request.scope)
        response.headers.update(HEADERS)
        return response

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return await answer("index.html", request)

    @app.get("/page/{name:path}", include_in_schema=False)
    async def page_file(name: str, request: Request) -> Response:
        return await answer(name, request)

    @app.get("/models/{name}/golden", include_in_schema=False)
    async def golden(name: str, request: Request) -> Response:
        """The image that the server checks the model with; the page shows it as an example."""
        server.access.check(request)
        image = server.repository.find(name).golden
        return Response(image, media_type="image/png", headers={"Cache-Control": "no-cache"})
