"""The web page at `/`: the files of `service/page`, and example pictures for each model."""

from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from service.api.packed_file import PackedFile, pack
from service.api.page_modules import modules_of
from service.api.problems import RequestError
from service.api.state import ServerState
from service.bundle import examples_of
from service.card import example_type

PAGE = Path(__file__).parents[1] / "page"
START = "app.js"
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
PART_HEADERS = {  # of modules and styles: there are some eighty, and the first drawing counts each byte
    "Cache-Control": "no-cache",  # a browser asks again each time, and gets a 304 unless the file has changed
    "X-Content-Type-Options": "nosniff",
}
DOCUMENT_HEADERS = {  # of what a browser may show on its own
    **PART_HEADERS,
    "Accept-Ranges": "none",  # the files are small
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
}
PICTURE_HEADERS = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

packed = lru_cache(maxsize=512)(pack)  # a file is read each time, so that a change is seen, and compressed once


def add_page(app: FastAPI, server: ServerState) -> None:
    """Add GET /, GET /page/{name} for the files that the page loads, and the pictures of each model."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page(request: Request) -> Response:
        return index().answer(request, DOCUMENT_HEADERS)

    @app.api_route("/page/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    def page_file(name: str, request: Request) -> Response:
        file = file_of(name)
        is_part = file.media_type in ("text/css", "text/javascript")
        return file.answer(request, PART_HEADERS if is_part else DOCUMENT_HEADERS)

    @app.get("/models/{name}/golden", include_in_schema=False)
    async def golden(name: str, request: Request) -> Response:
        """The image that the server checks the model with; the page shows it as an example."""
        server.access.check(request)
        image = server.repository.find(name).golden
        return Response(image, media_type="image/png", headers=PICTURE_HEADERS)

    @app.get("/models/{name}/examples/{number}", include_in_schema=False)
    async def example(name: str, number: int, request: Request, version: str | None = None) -> Response:
        """An example picture of the model's card; the first has the number 1."""
        server.access.check(request)
        model = server.repository.find(name, version)
        if not 1 <= number <= len(model.examples):
            raise RequestError(404, f"{model.name} has no such example; it has {len(model.examples)}")
        media_type = example_type(examples_of(model.manifest)[number - 1])
        return Response(model.examples[number - 1], media_type=media_type, headers=PICTURE_HEADERS)


def file_of(name: str) -> PackedFile:
    """A file of the page; raises HTTPException 404 if there is none of this name, or none that a page loads."""
    try:
        path = (PAGE / name).resolve()
        is_file = path.suffix in MEDIA_TYPES and path.is_relative_to(PAGE.resolve()) and path.is_file()
    except (OSError, ValueError):  # no file system takes the name: it is too long, or has a zero byte
        is_file = False
    if not is_file:
        raise HTTPException(404)
    return packed(path.read_bytes(), MEDIA_TYPES[path.suffix])


def index() -> PackedFile:
    """The page itself, with links to all modules that it needs at once.

    Without these links, a browser would find a module only after it has loaded the one that imports it.
    """
    links = "".join(f'<link rel="modulepreload" href="page/{name}">\n' for name in modules_of(PAGE, START))
    html = (PAGE / "index.html").read_text(encoding="utf-8").replace("</head>", f"{links}</head>", 1)
    return packed(html.encode(), MEDIA_TYPES[".html"])
