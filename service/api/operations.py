"""The routes that operators and monitoring use: health, readiness, models and metrics."""

from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from service.api.problems import PROBLEMS, RequestError
from service.api.schemas import ModelInfo, ModelList, Status
from service.api.state import ServerState
from service.engines.protocol import describe
from service.repository.served_model import ServedModel

NOT_READY = {"description": "Not ready, or a restart is needed; the detail says why"}


def add_operations(app: FastAPI, server: ServerState) -> None:
    """Add GET /healthz, /readyz, /models and /metrics."""

    @app.get("/healthz", response_model=Status, responses={503: NOT_READY})
    async def healthz() -> dict[str, str]:
        """The process is alive; 503 only if a restart would help."""
        if dead := server.dead_model:
            raise RequestError(503, f"{dead.trouble}; the server ends and must be started again")
        return {"status": "ok"}

    @app.get("/readyz", response_model=Status, responses={503: NOT_READY})
    async def readyz() -> dict[str, str]:
        """The models answer correctly and the server accepts requests; 503 as soon as it starts to shut down."""
        if trouble := server.trouble:
            raise RequestError(503, trouble)
        return {"status": "ready"}

    @app.get("/models", responses={401: PROBLEMS[401], 429: PROBLEMS[429]})
    async def models(request: Request) -> ModelList:
        """The loaded models; the default is the first."""
        server.access.check(request)
        loaded = [(slot.model, slot) for slot in server.repository.slots if slot.model is not None]
        default = loaded[0][0] if loaded else None
        infos = [
            info_of(model, is_default=model is default, share=slot.share, max_batch=server.settings.max_batch)
            for model, slot in loaded
        ]
        return ModelList(models=infos)

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(generate_latest(server.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def info_of(model: ServedModel, *, is_default: bool, share: float, max_batch: int) -> ModelInfo:
    """The entry of a model in /models."""
    manifest = model.manifest
    return ModelInfo(
        name=manifest.name,
        version=manifest.version,
        is_default=is_default,
        share=share,
        classes=list(manifest.classes),
        input=manifest.input,
        nms=manifest.nms,
        engine=model.engine.name,
        engine_description=describe(model.engine),
        engine_note="; ".join(note for note in (model.build_note, model.engine_note) if note),
        max_batch=max_batch,
        source=manifest.source,
        metrics=manifest.metrics,
    )
