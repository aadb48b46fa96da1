"""The reference of the API at `/docs`: Swagger UI, from files of this package, so that it needs no other website."""

import re
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.packed_file import PackedFile, pack

REFERENCE = Path(__file__).parents[1] / "reference"
FILES = {
    "start.js": "text/javascript",
    "style.css": "text/css",
    "swagger-ui/swagger-ui-bundle.js": "text/javascript",
    "swagger-ui/swagger-ui.css": "text/css",
}
PATHS = {path.rpartition("/")[2]: path for path in FILES}
LINK = re.compile(r'(?<=")docs/([\w.-]+)(?=")')
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
UNCHANGING = "public, max-age=31536000, immutable"


@cache
def packed(name: str) -> PackedFile:
    """The file of this name."""
    path = PATHS[name]
    return pack((REFERENCE / path).read_bytes(), FILES[path])


@cache
def page() -> PackedFile:
    """The page, with links that change with the files."""
    html = (REFERENCE / "index.html").read_text()
    return pack(LINK.sub(lambda found: f"docs/{found[1]}?v={packed(found[1]).version}", html).encode(), "text/html")


def add_reference(app: FastAPI) -> None:
    """Add GET /docs, and GET /docs/{name} for the files that it loads."""

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def reference(request: Request) -> Response:
        return page().answer(request, {**HEADERS, "Cache-Control": "no-cache"})

    @app.api_route("/docs/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    def reference_file(name: str, request: Request) -> Response:
        if name not in PATHS:
            raise HTTPException(404)
        file = packed(name)
        is_present = request.query_params.get("v") == file.version
        return file.answer(request, {**HEADERS, "Cache-Control": UNCHANGING if is_present else "no-cache"})
