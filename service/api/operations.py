"""The routes that operators and monitoring use: health, readiness, models and metrics."""

from fastapi import FastAPI, Request
from prometheus_client.exposition import choose_encoder
from starlette.responses import Response

from service.api.problems import PROBLEMS, RequestError
from service.api.schemas import BundleFault, ModelInfo, ModelList, Readiness, Status
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

    @app.get("/readyz", responses={503: NOT_READY})
    async def readyz() -> Readiness:
        """The models answer correctly and the server accepts requests; 503 as soon as it starts to shut down.

        `faults` lists the bundles that are refused or missing, while others, or older ones, are served.
        """
        if trouble := server.trouble:
            raise RequestError(503, trouble)
        return Readiness(status="ready", faults=faults_of(server))

    @app.get("/models", responses={401: PROBLEMS[401], 429: PROBLEMS[429]})
    async def models(request: Request) -> ModelList:
        """The loaded models; the default is the first."""
        server.access.check(request)
        repository, max_batch = server.repository, server.settings.max_batch
        infos = [
            info_of(
                slot.model,
                aliases=repository.aliases.of_model(slot.model.name),
                is_default=slot.model is repository.default,
                share=repository.share_of(slot),
                max_batch=max_batch,
            )
            for slot in repository.slots
            if slot.model is not None
        ]
        return ModelList(models=infos, faults=faults_of(server))

    @app.get("/metrics", include_in_schema=False)
    def metrics(request: Request) -> Response:
        """In OpenMetrics, which has exemplars, if the client asks for it; else in Prometheus' text format."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(server.metrics.registry), headers={"Content-Type": content_type})


def faults_of(server: ServerState) -> list[BundleFault]:
    """The bundles that are refused or missing."""
    return [
        BundleFault(bundle=slot.place, model=slot.label, fault=slot.fault, reason=slot.reason)
        for slot in server.repository.slots
        if slot.fault is not None
    ]


def info_of(model: ServedModel, *, aliases: list[str], is_default: bool, share: float, max_batch: int) -> ModelInfo:
    """The entry of a model in /models."""
    manifest = model.manifest
    return ModelInfo(
        name=manifest.name,
        version=manifest.version,
        aliases=aliases,
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
        int8=manifest.int8,
        card=manifest.card,
    )
