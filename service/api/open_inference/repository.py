"""The repository API of the Open Inference Protocol: the list of models, and, if allowed, loading and unloading."""

from fastapi import FastAPI, Request
from starlette.responses import JSONResponse, Response

from service.api.problems import RequestError
from service.api.state import ServerState


def add_repository_protocol(app: FastAPI, server: ServerState) -> None:
    """Add POST /v2/repository/…"""

    @app.post("/v2/repository/index")
    async def index(request: Request) -> Response:
        """All bundles that this server knows, loaded or not."""
        server.access.check(request)
        return JSONResponse(
            [
                {
                    "name": slot.name,
                    "version": slot.model.version if slot.model else "",
                    "state": "READY" if slot.model else "UNAVAILABLE",
                    "reason": slot.reason,
                }
                for slot in server.repository.slots
            ]
        )

    @app.post("/v2/repository/models/{name}/load", response_class=Response)
    async def load(request: Request, name: str) -> Response:
        """Load the bundle of that name again from its directory."""
        check_control(request)
        await server.repository.load(name)
        return Response()

    @app.post("/v2/repository/models/{name}/unload", response_class=Response)
    async def unload(request: Request, name: str) -> Response:
        """Stop serving the model."""
        check_control(request)
        await server.repository.unload(name)
        return Response()

    def check_control(request: Request) -> None:
        server.access.check(request)
        if not server.settings.model_control:
            raise RequestError(
                403, "clients may not load and unload models here; set SINGLESHOT_MODEL_CONTROL=true to allow it"
            )
