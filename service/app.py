"""The HTTP server: `create_app(settings)` opens the bundles and returns the application that serves them."""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.responses import Response

from service.answers import answer_of, server_timing, stages_of
from service.engine import Engine, open_engine
from service.errors import RequestError, install_error_handlers
from service.image_group import detect_group
from service.image_header import ImageError
from service.inference_protocol import add_inference_protocol
from service.intake import cancelled_on_departure, read_uploads
from service.openapi_document import QUERY_PARAMETERS, TIMEOUT_PARAMETER, install_document
from service.repository_protocol import add_repository_protocol
from service.request_context import RequestContext
from service.schemas import DetectResponse, ModelList, Status, read_query, read_timeout
from service.served_model import Outcome
from service.server import Server
from service.settings import Settings
from service.shortcut import Application
from service.web_page import add_page

IMAGE_BODY = {"schema": {"type": "string", "format": "binary"}}
DETECT_BODY = {
    "required": True,
    "content": {
        "image/*": IMAGE_BODY,
        "application/octet-stream": IMAGE_BODY,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {"image": {"type": "array", "items": {"type": "string", "format": "binary"}}},
            }
        },
    },
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    code: {"description": description}
    for code, description in {
        400: "The body is empty or is no valid multipart form",
        401: "An API key is needed",
        404: "No such model",
        408: "The body took too long to arrive",
        413: "Too many bytes or too many pixels",
        415: "Not an image that the server reads",
        422: "A broken image or a parameter out of range",
        429: "Too many requests of this client; try again after Retry-After seconds",
        500: "The engine failed",
        503: "Busy; try again after Retry-After seconds",
        504: "No answer before the request's deadline",
    }.items()
}

ANSWERS = {200: {"description": "The detections, or the picture with them", "content": {"image/jpeg": {}}}, **PROBLEMS}


def create_app(settings: Settings, open_engine: Callable[..., Engine] = open_engine) -> FastAPI:
    """Open the bundles, check their golden images, and return the application; raises AccessError, BundleError, EngineError and
    TracingError.

    `app.state.server` is the `Server`.
    """
    server = Server(settings, open_engine)
    app = Application(
        title="Singleshot",
        summary="Object detection: POST an image, get boxes.",
        version="1",
        lifespan=server.running,
        redoc_url=None,
    )
    app.state.server = server
    context = partial(RequestContext, metrics=server.metrics, tracing=server.tracing, is_draining=lambda: server.is_draining)
    app.add_middleware(context)
    install_error_handlers(app)
    detect = add_detect(app, server)
    app.add_shortcut("POST", "/detect", detect, context)
    add_operations(app, server)
    add_page(app, server)
    add_inference_protocol(app, server)
    add_repository_protocol(app, server)
    install_document(app)
    return app


def add_detect(app: FastAPI, server: Server) -> Callable[[Request], Awaitable[Response]]:
    """POST /detect -> its handler."""

    description = {"requestBody": DETECT_BODY, "parameters": [*QUERY_PARAMETERS, TIMEOUT_PARAMETER]}

    @app.post("/detect", response_model=DetectResponse, responses=ANSWERS, openapi_extra=description)
    async def detect(request: Request) -> Response:
        """Find objects in the image that is the body, or in each file of a multipart body."""
        start = time.monotonic()
        server.access.check(request)
        query = read_query(request.query_params)
        timeout = read_timeout(request.headers)
        model = server.repository.choose(query.model, query.version)
        options = model.options(query)
        if timeout:  # a client's own patience began when it began to send
            model.check(start + timeout)  # before its body is read, which is most of the work that refusing makes
        async with server.admitted(model):
            uploads = await read_uploads(request, server.settings)
            received = time.monotonic()
            server.metrics.stage_duration.labels("receive").observe(received - start)
            deadline = start + timeout if timeout else received + server.settings.default_deadline_seconds
            if query.format == "image" and len(uploads) > 1:
                raise RequestError(422, "format=image takes one image a request")
            async with cancelled_on_departure(request):
                outcomes = await detect_group(model, [upload.body for upload in uploads], options, deadline)
                if len(outcomes) == 1 and isinstance(outcomes[0], ImageError):
                    raise outcomes[0]
                request.state.stages = stages_of(outcomes)
                responding = time.monotonic()
                if query.format == "image" and isinstance(outcomes[0], Outcome):
                    picture = await model.draw(uploads[0].body, outcomes[0].detections)
                    response = Response(picture, media_type="image/jpeg")
                else:
                    response = Response(to_json(answer_of(model, uploads, outcomes)), media_type="application/json")
        response.headers["Server-Timing"] = server_timing(outcomes)
        server.metrics.stage_duration.labels("respond").observe(time.monotonic() - responding)
        return response

    return detect


def add_operations(app: FastAPI, server: Server) -> None:
    """What operators and browsers ask for."""

    @app.get("/healthz", response_model=Status, responses={503: PROBLEMS[503]})
    async def healthz() -> dict[str, str]:
        """The process lives; 503 only where a restart would help."""
        if stuck := server.stuck_model:
            raise RequestError(503, f"{stuck.trouble}; restart the server")
        return {"status": "ok"}

    @app.get("/readyz", response_model=Status, responses={503: PROBLEMS[503]})
    async def readyz() -> dict[str, str]:
        """The models answer correctly and the server takes work; 503 from the moment it begins to shut down."""
        if trouble := server.trouble:
            raise RequestError(503, trouble)
        return {"status": "ready"}

    @app.get("/models", responses={401: PROBLEMS[401], 429: PROBLEMS[429]})
    async def models(request: Request) -> ModelList:
        """What is served; the default comes first."""
        server.access.check(request)
        loaded = [(slot.model, slot) for slot in server.repository.slots if slot.model is not None]
        return ModelList(models=[m.info(is_default=m is loaded[0][0], share=slot.share) for m, slot in loaded])

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(server.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
