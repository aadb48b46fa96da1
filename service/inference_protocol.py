"""The Open Inference Protocol v2 under /v2, so that Triton's clients work unchanged.

A model takes one input, either `image` (BYTES: image files) or `images` (UINT8 [B, H, W, 3] RGB, or [H, W, 3]), and gives
`boxes` FP32 [B, D, 4] xyxy in pixels of each picture, `scores` FP32 [B, D], `labels` INT32 [B, D], `class_names` BYTES
[B, D] and `num_detections` INT32 [B]. D is the largest number of detections; rows beyond an image's own have score 0 and
label -1. The query parameters of /detect are request parameters here, and `timeout` is the deadline in µs.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from numpy.typing import NDArray
from pydantic import ValidationError
from starlette.responses import Response

from service.answers import stages_of
from service.errors import RequestError
from service.image_group import detect_group
from service.image_header import ImageError
from service.intake import cancelled_on_departure, read_body
from service.openapi_document import TIMEOUT_PARAMETER
from service.schemas import MAX_TIMEOUT_MS, DetectQuery, read_timeout
from service.served_model import Outcome, ServedModel
from service.server import Server
from service.tensors import InferRequest, format_response, parse_request

INPUTS = [
    {"name": "image", "datatype": "BYTES", "shape": [-1]},
    {"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
]
OUTPUTS = [
    {"name": "boxes", "datatype": "FP32", "shape": [-1, -1, 4]},
    {"name": "scores", "datatype": "FP32", "shape": [-1, -1]},
    {"name": "labels", "datatype": "INT32", "shape": [-1, -1]},
    {"name": "class_names", "datatype": "BYTES", "shape": [-1, -1]},
    {"name": "num_detections", "datatype": "INT32", "shape": [-1]},
]
OUTPUT_NAMES = [str(output["name"]) for output in OUTPUTS]
EXTENSIONS = ["binary_tensor_data", "model_repository", "model_repository(unload_dependents)"]
BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
INFER = {
    "parameters": [
        {"name": "Inference-Header-Content-Length", "in": "header", "schema": {"type": "integer", "minimum": 0}},
        TIMEOUT_PARAMETER,
    ],
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/InferRequest"}}, **BINARY},
    },
    "responses": {"200": {"description": "The output tensors", "content": {"application/json": {"schema": {}}, **BINARY}}},
}
# what Triton's clients may send and what has no meaning here
RESERVED = frozenset(["binary_data_output", "timeout", "priority", "sequence_id", "sequence_start", "sequence_end"])


def add_inference_protocol(app: FastAPI, server: Server) -> None:
    """Health, metadata and inference."""
    add_health(app, server)
    add_metadata(app, server)
    add_inference(app, server)


def add_health(app: FastAPI, server: Server) -> None:
    """Whether the server and its models take work; without a key."""

    @app.get("/v2/health/live", response_class=Response)
    async def live() -> Response:
        """The process lives."""
        return Response()

    @app.get("/v2/health/ready", response_class=Response)
    async def ready() -> Response:
        """The server takes work."""
        if server.trouble is not None:
            raise RequestError(503, server.trouble)
        return Response()

    @app.get("/v2/models/{name}/ready", response_class=Response)
    @app.get("/v2/models/{name}/versions/{version}/ready", name="version_ready", response_class=Response)
    async def model_ready(name: str, version: str | None = None) -> Response:
        """The model takes work."""
        trouble = server.repository.choose(name, version).trouble
        if trouble is not None:
            raise RequestError(503, trouble)
        return Response()


def add_metadata(app: FastAPI, server: Server) -> None:
    """What the server is, and what its models take and give."""

    @app.get("/v2")
    async def server_metadata() -> dict[str, Any]:
        """What this server is."""
        return {"name": "singleshot", "version": "1", "extensions": EXTENSIONS}

    @app.get("/v2/models/{name}")
    @app.get("/v2/models/{name}/versions/{version}", name="version_metadata")
    async def model_metadata(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """What the model takes and gives."""
        server.access.check(request)
        model = server.repository.choose(name, version)
        return {
            "name": model.name,
            "versions": server.repository.versions(model.name),
            "platform": f"singleshot_{model.engine_name}",
            "inputs": INPUTS,
            "outputs": OUTPUTS,
        }


def add_inference(app: FastAPI, server: Server) -> None:
    """POST …/infer."""

    @app.post("/v2/models/{name}/infer", response_class=Response, openapi_extra=INFER)
    @app.post("/v2/models/{name}/versions/{version}/infer", name="version_infer", response_class=Response, openapi_extra=INFER)
    async def infer(request: Request, name: str, version: str | None = None) -> Response:
        """Find objects."""
        start = time.monotonic()
        server.access.check(request)
        timeout = read_timeout(request.headers)
        header_length = request.headers.get("inference-header-content-length")
        model = server.repository.choose(name, version)
        async with server.admitted(model):
            body = await read_body(request, server.settings)
            wanted, values = await server.decoders.run(0, lambda: parse_request(body, header_length))
            images = images_of(wanted, values, server.settings.max_files, server.settings.max_pixels)
            options = model.options(query_of(wanted))
            outputs_wanted = outputs_of(wanted)
            seconds = timeout_of(wanted) or timeout or server.settings.default_deadline_seconds
            async with cancelled_on_departure(request):
                outcomes = await detect_group(model, images, options, start + seconds)
        request.state.stages = stages_of(outcomes)
        head = {"model_name": model.name, "model_version": model.version}
        if wanted.id is not None:
            head["id"] = wanted.id
        text, json_length = format_response(head, tensors_of(model, whole(outcomes)), outputs_wanted)
        if json_length is None:
            return Response(text, media_type="application/json")
        headers = {"Inference-Header-Content-Length": str(json_length)}
        return Response(text, media_type="application/octet-stream", headers=headers)


def images_of(
    wanted: InferRequest, values: Sequence[Any], max_images: int, max_pixels: int
) -> Sequence[bytes | NDArray[np.uint8]]:
    """The images of a request; raises RequestError 400 and 413."""
    if len(values) != 1:
        raise RequestError(400, "a request has one input: image (BYTES) or images (UINT8)")
    tensor, value = wanted.inputs[0], values[0]
    if (tensor.name, tensor.datatype) not in (("image", "BYTES"), ("images", "UINT8")):
        raise RequestError(400, f"no input {tensor.name} of type {tensor.datatype}; send image (BYTES) or images (UINT8)")
    if isinstance(value, np.ndarray):
        if value.ndim == 3:
            value = value[None]
        if value.ndim != 4 or value.shape[3] != 3 or 0 in value.shape[1:3]:
            raise RequestError(400, f"images: shape is {tensor.shape}, it should be [B, H, W, 3]")
        if value.shape[1] * value.shape[2] > max_pixels:
            raise RequestError(413, f"the images have more than {max_pixels} pixels each")
    if not 1 <= len(value) <= max_images:
        raise RequestError(400, f"a request holds 1 to {max_images} images, not {len(value)}")
    return list(value)


def query_of(wanted: InferRequest) -> DetectQuery:
    """The request's parameters as those of /detect; raises RequestError 400."""
    parameters = {
        name: [value] if name in ("classes", "class_thresholds") and isinstance(value, str) else value
        for name, value in wanted.parameters.items()
        if name not in RESERVED
    }
    try:
        return DetectQuery.model_validate({**parameters, "model": None, "version": None, "format": "json"})
    except ValidationError as error:
        first = error.errors()[0]
        raise RequestError(400, f"parameters.{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def timeout_of(wanted: InferRequest) -> float:
    """The seconds that the request's parameter `timeout`, in µs, gives it, 0 for unset; raises RequestError 400."""
    timeout = wanted.parameters.get("timeout", 0)
    if not isinstance(timeout, int) or isinstance(timeout, bool) or not 0 <= timeout <= 1000 * MAX_TIMEOUT_MS:
        raise RequestError(400, f"parameters.timeout is {timeout!r}, it should be a number of µs up to {1000 * MAX_TIMEOUT_MS}")
    return timeout / 1e6


def outputs_of(wanted: InferRequest) -> dict[str, bool]:
    """The outputs that the client wants, and whether as bytes; raises RequestError 400."""
    default = bool(wanted.parameters.get("binary_data_output", False))
    if not wanted.outputs:
        return dict.fromkeys(OUTPUT_NAMES, default)
    unknown = [output.name for output in wanted.outputs if output.name not in OUTPUT_NAMES]
    if unknown:
        raise RequestError(400, f"no output {unknown[0]!r}; there are {', '.join(OUTPUT_NAMES)}")
    return {output.name: bool(output.parameters.get("binary_data", default)) for output in wanted.outputs}


def whole(outcomes: Sequence[Outcome | ImageError]) -> list[Outcome]:
    """The outcomes, if all are good; else the first ImageError is raised, with the image's number."""
    good = []
    for number, outcome in enumerate(outcomes):
        if isinstance(outcome, ImageError):
            raise ImageError(outcome.status, f"image {number}: {outcome}")
        good.append(outcome)
    return good


def tensors_of(model: ServedModel, outcomes: Sequence[Outcome]) -> dict[str, NDArray[Any] | list[list[str]]]:
    """The output tensors, each image's rows filled up to the longest."""
    counts = [len(outcome.detections) for outcome in outcomes]
    longest = max(counts)
    boxes = np.zeros((len(outcomes), longest, 4), np.float32)
    scores = np.zeros((len(outcomes), longest), np.float32)
    labels = np.full((len(outcomes), longest), -1, np.int32)
    for row, (outcome, count) in enumerate(zip(outcomes, counts, strict=True)):
        boxes[row, :count] = outcome.detections.boxes
        scores[row, :count] = outcome.detections.scores
        labels[row, :count] = outcome.detections.labels
    names = [[model.classes[label] if label >= 0 else "" for label in row] for row in labels.tolist()]
    return {
        "boxes": boxes,
        "scores": scores,
        "labels": labels,
        "class_names": names,
        "num_detections": np.array(counts, np.int32),
    }
