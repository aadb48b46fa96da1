"""The reference of the API at `/docs`: Swagger UI, from files of this package, so that it needs no other website."""

import gzip
import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

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


@dataclass(frozen=True)
class Packed:
    """A file, compressed with gzip; `version` is a part of the hash of its content, and in the links to it."""

    content: bytes
    version: str
    media_type: str


@cache
def packed(name: str) -> Packed:
    """The file of this name; a file of a megabyte takes some 0.1 s, once."""
    path = PATHS[name]
    content = (REFERENCE / path).read_bytes()
    return Packed(gzip.compress(content, mtime=0), hashlib.sha256(content).hexdigest()[:16], FILES[path])


@cache
def page() -> str:
    """The page, with links that change with the files."""
    html = (REFERENCE / "index.html").read_text()
    return LINK.sub(lambda found: f"docs/{found[1]}?v={packed(found[1]).version}", html)


def add_reference(app: FastAPI) -> None:
    """Add GET /docs, and GET /docs/{name} for the files that it loads."""

    @app.get("/docs", include_in_schema=False)
    def reference() -> Response:
        return Response(page(), media_type="text/html", headers={**HEADERS, "Cache-Control": "no-cache"})

    @app.get("/docs/{name}", include_in_schema=False)
    def reference_file(name: str, request: Request) -> Response:
        if name not in PATHS:
            raise HTTPException(404)
        file = packed(name)
        is_present = request.query_params.get("v") == file.version
        headers = {**HEADERS, "Vary": "Accept-Encoding", "Cache-Control": UNCHANGING if is_present else "no-cache"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(gzip.decompress(file.content), media_type=file.media_type, headers=headers)
        return Response(file.content, media_type=file.media_type, headers={**headers, "Content-Encoding": "gzip"})
