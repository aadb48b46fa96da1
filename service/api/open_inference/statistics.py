"""Triton's statistics of the models: the metrics of their requests and stages, in counts and nanoseconds."""

from typing import Any

from fastapi import FastAPI, Request

from service.api.state import ServerState
from service.repository.repository import Repository
from service.repository.served_model import ServedModel
from service.telemetry.model_metrics import Total

STAGES = {"queue": "queue", "compute_input": "decode", "compute_infer": "infer", "compute_output": "postprocess"}


def add_statistics(app: FastAPI, server: ServerState) -> None:
    """Add GET …/stats for all models, for one, and for one version."""

    @app.get("/v2/models/stats")
    async def all_statistics(request: Request) -> dict[str, Any]:
        """The statistics of all loaded models."""
        server.access.check(request)
        return model_statistics(server.repository, "", None)

    @app.get("/v2/models/{name}/stats")
    @app.get("/v2/models/{name}/versions/{version}/stats", name="version_statistics")
    async def statistics(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """The statistics of all loaded versions of a model, or of one, under the name that the request gives it."""
        server.access.check(request)
        return model_statistics(server.repository, name, version)


def model_statistics(repository: Repository, name: str, version: str | None) -> dict[str, Any]:
    """The statistics of the loaded versions that the name and the version choose; without a name, of all models.

    Raises ModelNotFoundError and ModelUnavailableError.
    """
    if not name:
        return {"model_stats": [statistics_of(model, model.name) for model in repository.models]}
    found = repository.find(name, version)
    models = [found] if version else [model for model in repository.models if model.name == found.name]
    return {"model_stats": [statistics_of(model, name) for model in models]}


def statistics_of(model: ServedModel, name: str) -> dict[str, Any]:
    """The statistics since the version was first loaded. Requests are counted as such, stages by image."""
    metrics = model.metrics
    none = Total(0, 0.0)
    stages = {field: duration_of(metrics.stage_total(stage)) for field, stage in STAGES.items()}
    return {
        "name": name,
        "version": model.version,
        "last_inference": round(1000 * metrics.last_answer_time),
        "inference_count": metrics.stage_total("postprocess").count,
        "execution_count": metrics.num_batches,
        "inference_stats": {
            "success": duration_of(metrics.answered_total()),
            "fail": duration_of(metrics.failed_total()),
            **stages,
            "cache_hit": duration_of(none),
            "cache_miss": duration_of(none),
        },
        "batch_stats": [],  # the server keeps no times by batch size
    }


def duration_of(total: Total) -> dict[str, int]:
    """A total as the protocol writes it."""
    return {"count": total.count, "ns": round(1e9 * total.seconds)}
