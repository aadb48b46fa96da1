"""The Open Inference Protocol v2 under /v2, so that Triton's clients work unchanged.

A model takes one input, either `image` (BYTES: image files) or `images` (UINT8 [B, H, W, 3] RGB, or [H, W, 3]).
It gives `boxes` FP32 [B, D, 4] xyxy in pixels of each image, `scores` FP32 [B, D], `labels` INT32 [B, D],
`class_names` BYTES [B, D] and `num_detections` INT32 [B]. D is the largest number of detections of an image; padding
rows have score 0 and label -1. The query parameters of /detect, but for model, version and format, are request
parameters here, and `timeout` is the deadline in µs.
"""

import time

from fastapi import FastAPI, Request
from starlette.responses import Response

from service.api.deadline import read_timeout
from service.api.disconnect import disconnect_of
from service.api.examples import INFER_ANSWER, INFER_REQUEST
from service.api.open_inference.inference import infer_tensors
from service.api.open_inference.metadata import add_metadata
from service.api.open_inference.request import outputs_of, timeout_of
from service.api.open_inference.statistics import add_statistics
from service.api.open_inference.tensors import format_response, parse_request
from service.api.openapi import TIMEOUT_PARAMETER
from service.api.problems import RequestError
from service.api.request_record import record_of
from service.api.state import ServerState
from service.api.uploads import read_body

BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
INFER = {
    "parameters": [
        {"name": "Inference-Header-Content-Length", "in": "header", "schema": {"type": "integer", "minimum": 0}},
        TIMEOUT_PARAMETER,
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}, "example": INFER_REQUEST},
            **BINARY,
        },
    },
    "responses": {
        "200": {
            "description": "The output tensors",
            "content": {"application/json": {"schema": {}, "example": INFER_ANSWER}, **BINARY},
        }
    },
}


def add_inference_protocol(app: FastAPI, server: ServerState) -> None:
    """Add the routes for health, metadata, statistics and inference."""
    add_health(app, server)
    add_statistics(app, server)  # before the metadata: `stats` is no name of a model
    add_metadata(app, server)
    add_inference(app, server)


def add_health(app: FastAPI, server: ServerState) -> None:
    """Add the health of the server and of its models, which needs no API key.

    Triton's clients read only the status, KServe's also the body.
    """

    @app.get("/v2/health/live")
    async def live() -> dict[str, bool]:
        """The process is alive."""
        return {"live": True}

    @app.get("/v2/health/ready")
    async def ready() -> dict[str, bool]:
        """The server accepts requests."""
        if server.trouble is not None:
            raise RequestError(503, server.trouble)
        return {"live": True, "ready": True}  # the specification has only the first, KServe's client reads the second

    @app.get("/v2/models/{name}/ready")
    @app.get("/v2/models/{name}/versions/{version}/ready", name="version_ready")
    async def model_ready(name: str, version: str | None = None) -> dict[str, str | bool]:
        """The model accepts requests."""
        trouble = server.repository.find(name, version).trouble
        if trouble is not None:
            raise RequestError(503, trouble)
        return {"name": name, "ready": True}


def add_inference(app: FastAPI, server: ServerState) -> None:
    """Add POST …/infer."""

    @app.post("/v2/models/{name}/infer", response_class=Response, openapi_extra=INFER)
    @app.post(
        "/v2/models/{name}/versions/{version}/infer", name="version_infer", response_class=Response, openapi_extra=INFER
    )
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Find objects."""
        start = time.monotonic()
        record = record_of(request.scope)
        server.access.check(request)
        timeout = read_timeout(request.headers)
        header_length = request.headers.get("inference-header-content-length")
        model = server.repository.choose(name, version)
        record.begin(model, timeout)
        server.check_early(model, timeout, start)  # before the body is read
        with server.admitted(model) as share:
            body = await read_body(request, server.settings, share)
            record.received = time.monotonic()
            record.num_bytes = share.num_bytes
            wanted, values = await server.decoders.run(0, lambda: parse_request(body, header_length))
            outputs_wanted = outputs_of(wanted)
            timeout = timeout_of(wanted) or timeout
            with disconnect_of(request.scope):
                tensors = await infer_tensors(
                    server, model, record, wanted, values, timeout_seconds=timeout, start=start
                )
        head = {"model_name": name, "model_version": model.version}
        if wanted.id is not None:
            head["id"] = wanted.id
        text, json_length = format_response(head, tensors, outputs_wanted)
        if json_length is None:
            return Response(text, media_type="application/json")
        headers = {"Inference-Header-Content-Length": str(json_length)}
        return Response(text, media_type="application/octet-stream", headers=headers)
