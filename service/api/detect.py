"""`POST /detect`: the route that finds objects in images."""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from fastapi import FastAPI, Request
from starlette.responses import Response

from service.api.deadline import read_timeout
from service.api.disconnect import disconnect_of
from service.api.examples import DETECT_ANSWER, DETECT_REQUEST
from service.api.openapi import QUERY_PARAMETERS, TIMEOUT_PARAMETER
from service.api.problems import PROBLEMS, RequestError
from service.api.query import DEFAULT_QUERY, options_of, read_query
from service.api.request_record import record_of
from service.api.responses import count_detections, json_answer, server_timing
from service.api.schemas import DetectResponse
from service.api.state import ServerState
from service.api.uploads import read_uploads
from service.detection.annotate import MAX_SIDE
from service.detection.image_header import read_header
from service.detection.image_views import Image, ImageViews, count_views
from service.errors import ImageError
from service.repository.image_group import detect_group
from service.repository.image_job import Outcome

MANY_DETECTIONS = 2000  # of an answer that another thread writes: it would take the event loop more than 2 ms
IMAGE_BODY = {"schema": {"type": "string", "format": "binary"}}
DETECT_BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": {"$ref": "#/components/schemas/JsonImages"}, "example": DETECT_REQUEST},
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
ANSWERS = {
    200: {
        "description": "The detections, or the image with the detections drawn on it",
        "content": {"application/json": {"example": DETECT_ANSWER}, "image/jpeg": {}},
    },
    **PROBLEMS,
}


def add_detect(app: FastAPI, server: ServerState) -> Callable[[Request], Awaitable[Response]]:
    """POST /detect -> its handler."""

    description = {"requestBody": DETECT_BODY, "parameters": [*QUERY_PARAMETERS, TIMEOUT_PARAMETER]}

    @app.post("/detect", response_model=DetectResponse, responses=ANSWERS, openapi_extra=description)
    async def detect(request: Request) -> Response:
        """Find objects in the image that is the body, or in each image of a multipart body or of JSON."""
        start = time.monotonic()
        record = record_of(request.scope)
        server.access.check(request)
        query = read_query(request.query_params) if request.scope["query_string"] else DEFAULT_QUERY
        timeout = read_timeout(request.headers)
        model = server.repository.choose(query.model, query.version)
        record.begin(model, timeout)
        options = options_of(query, model)
        # before the body is read: reading it is most of the cost of a refusal
        server.check_early(model, timeout, start)
        with server.admitted(model) as share:
            uploads = await read_uploads(request, server.settings, share, server.decoders)
            record.received = received = time.monotonic()
            record.num_images, record.num_bytes = len(uploads), share.num_bytes
            model.metrics.stages["receive"].observe(received - start)
            bodies = [upload.body for upload in uploads]
            if query.format == "image":
                check_drawable(bodies)
            images: Sequence[Image | ImageViews | ImageError] = bodies
            if query.tile is not None:
                images = model.tiled.in_views(bodies, query.tile)
                record.num_views = count_views(images)
            limits = server.limits(model, timeout, start=start, received=received, num_images=count_views(images))
            with disconnect_of(request.scope):
                outcomes = await detect_group(model, images, options, limits)
                if len(outcomes) == 1 and isinstance(outcomes[0], ImageError):
                    raise outcomes[0]
                record.outcomes = outcomes
                responding = time.monotonic()
                if query.format == "image" and isinstance(outcomes[0], Outcome):
                    content = await model.draw(uploads[0].body, outcomes[0], limits.deadline)
                    media_type, responding = "image/jpeg", time.monotonic()
                else:
                    make = partial(json_answer, model, uploads, outcomes, has_views=query.tile is not None)
                    is_long = count_detections(outcomes) > MANY_DETECTIONS
                    content = await server.decoders.run(0, make) if is_long else make()
                    media_type = "application/json"
                headers = {"Server-Timing": server_timing(outcomes)}
                response = Response(content, media_type=media_type, headers=headers)
        model.metrics.stages["respond"].observe(time.monotonic() - responding)
        return response

    return detect


def check_drawable(bodies: Sequence[bytes]) -> None:
    """Raise RequestError 422 if no JPEG can show the images; raises ImageError if one is none."""
    if len(bodies) > 1:
        raise RequestError(422, "format=image takes one image a request")
    header = read_header(bodies[0])
    if max(header.height, header.width) > MAX_SIDE:
        detail = (
            f"format=image takes images of at most {MAX_SIDE} pixels in height and width, the most that a JPEG holds"
        )
        raise RequestError(422, f"{detail}; this one has {header.width}×{header.height}")
