"""The repository API of the Open Inference Protocol: the list of models, and, if allowed, loading and unloading."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from service.api.open_inference.tensors import Schema, parse_json
from service.api.problems import RequestError
from service.api.state import ServerState
from service.api.uploads import read_body
from service.repository.repository import Repository

RETRY_SECONDS = 1.0


class IndexRequest(BaseModel):
    """The body of a request for the index."""

    ready: bool = False


class ControlRequest(BaseModel):
    """The body of a request to load or unload a model."""

    parameters: dict[str, Any] = {}


def add_repository_protocol(app: FastAPI, server: ServerState) -> None:
    """Add POST /v2/repository/…"""

    @app.post("/v2/repository/index")
    async def index(request: Request) -> Response:
        """All bundles that this server knows, loaded or not; with `{"ready": true}` only the loaded ones."""
        server.access.check(request)
        wanted = await read(request, IndexRequest)
        return JSONResponse(index_of(server.repository, is_ready=wanted.ready))

    @app.post("/v2/repository/models/{name}/load", response_class=Response)
    async def load(request: Request, name: str) -> Response:
        """Load the bundle of that name again from its directory."""
        server.access.check(request)
        check_control(server)
        wanted = await read(request, ControlRequest)
        await load_model(server, name, wanted.parameters)
        return Response()

    @app.post("/v2/repository/models/{name}/unload", response_class=Response)
    async def unload(request: Request, name: str) -> Response:
        """Stop serving the model. No model depends on another, so `unload_dependents` has no effect."""
        server.access.check(request)
        check_control(server)
        await read(request, ControlRequest)
        await server.repository.unload(name)
        return Response()

    async def read(request: Request, schema: type[Schema]) -> Schema:
        with server.body_share(RETRY_SECONDS) as share:
            body = await read_body(request, server.settings, share)
            return parse_json(schema, body) if body.strip() else schema()


def index_of(repository: Repository, *, is_ready: bool) -> list[dict[str, str]]:
    """All bundles that the server knows, or only the loaded ones."""
    return [
        {
            "name": slot.label,
            "version": slot.model.version if slot.model else "",
            "state": "READY" if slot.model else "UNAVAILABLE",
            "reason": slot.reason,
        }
        for slot in repository.slots
        if slot.model or not is_ready
    ]


def check_control(server: ServerState) -> None:
    """Raise RequestError 403 if clients may not load and unload models."""
    if not server.settings.model_control:
        raise RequestError(
            403, "clients may not load and unload models here; set SINGLESHOT_MODEL_CONTROL=true to allow it"
        )


async def load_model(server: ServerState, name: str, parameters: Iterable[str]) -> None:
    """Load the bundle of that name again; raises RequestError 400, ModelNotFoundError and LoadRefusedError."""
    for parameter in parameters:
        detail = f"this server does not support the parameter {parameter}: a model is loaded as its bundle is; change"
        raise RequestError(400, f"{detail} the bundle")
    await server.repository.load(name)
