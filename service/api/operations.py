"""The routes that operators and monitoring use: health, readiness, models and metrics."""

from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from service.api.problems import PROBLEMS
from service.api.schemas import ModelList, Status
from service.api.server import Server
from service.errors import RequestError


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
