"""The repository API of the Open Inference Protocol: the list of models, and, if allowed, loading and unloading."""

from typing import Any

from fastapi import FastAPI, Request
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from service.api.open_inference.tensors import Schema, parse_json
from service.api.problems import RequestError
from service.api.state import ServerState
from service.api.uploads import read_body

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
        return JSONResponse(
            [
                {
                    "name": slot.label,
                    "version": slot.model.version if slot.model else "",
                    "state": "READY" if slot.model else "UNAVAILABLE",
                    "reason": slot.reason,
                }
                for slot in server.repository.slots
                if slot.model or not wanted.ready
            ]
        )

    @app.post("/v2/repository/models/{name}/load", response_class=Response)
    async def load(request: Request, name: str) -> Response:
        """Load the bundle of that name again from its directory."""
        check_control(request)
        wanted = await read(request, ControlRequest)
        if wanted.parameters:
            raise RequestError(
                400,
                f"this server does not support the parameter {next(iter(wanted.parameters))}: a model is loaded as its "
                "bundle is; change the bundle",
            )
        await server.repository.load(name)
        return Response()

    @app.post("/v2/repository/models/{name}/unload", response_class=Response)
    async def unload(request: Request, name: str) -> Response:
        """Stop serving the model. No model depends on another, so `unload_dependents` has no effect."""
        check_control(request)
        await read(request, ControlRequest)
        await server.repository.unload(name)
        return Response()

    async def read(request: Request, schema: type[Schema]) -> Schema:
        with server.body_share(RETRY_SECONDS) as share:
            body = await read_body(request, server.settings, share)
            return parse_json(schema, body) if body.strip() else schema()

    def check_control(request: Request) -> None:
        server.access.check(request)
        if not server.settings.model_control:
            raise RequestError(
                403, "clients may not load and unload models here; set SINGLESHOT_MODEL_CONTROL=true to allow it"
            )
