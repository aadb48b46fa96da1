"""The metadata of the server and of its models, and a model's configuration in Triton's form."""

from typing import Any

from fastapi import FastAPI, Request

from service import __version__
from service.api.open_inference.response import OUTPUTS
from service.api.state import ServerState
from service.repository.repository import Repository
from service.repository.served_model import ServedModel

INPUTS = [
    {"name": "image", "datatype": "BYTES", "shape": [-1]},
    {"name": "images", "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
]
EXTENSIONS = [
    "binary_tensor_data",
    "model_configuration",
    "model_repository",
    "model_repository(unload_dependents)",
    "statistics",
]


def add_metadata(app: FastAPI, server: ServerState) -> None:
    """Add GET /v2, and …/models/NAME and …/config with and without a version."""

    @app.get("/v2")
    @app.get("/v2/", include_in_schema=False)  # as the protocol's OpenAPI document has it
    async def server_metadata() -> dict[str, Any]:
        """Name, version and extensions of this server."""
        return metadata_of_server()

    @app.get("/v2/models/{name}")
    @app.get("/v2/models/{name}/versions/{version}", name="version_metadata")
    async def model_metadata(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """Versions, inputs and outputs of the model, under the name that the request gives it."""
        server.access.check(request)
        return metadata_of(server.repository, name, version)

    @app.get("/v2/models/{name}/config")
    @app.get("/v2/models/{name}/versions/{version}/config", name="version_config")
    async def model_config(request: Request, name: str, version: str | None = None) -> dict[str, Any]:
        """The model as Triton's ModelConfig. A request has one of the inputs; the first axis is that of the images."""
        server.access.check(request)
        return config_of(server.repository, name, version)


def metadata_of_server() -> dict[str, Any]:
    """The metadata of the server."""
    return {"name": "singleshot", "version": __version__, "extensions": EXTENSIONS}


def metadata_of(repository: Repository, name: str, version: str | None) -> dict[str, Any]:
    """The metadata of a model under this name; raises ModelNotFoundError and ModelUnavailableError."""
    model = repository.find(name, version)
    return {
        "name": name,
        "versions": repository.versions(model.name),
        "platform": platform_of(model),
        "inputs": INPUTS,
        "outputs": OUTPUTS,
    }


def config_of(repository: Repository, name: str, version: str | None) -> dict[str, Any]:
    """Triton's ModelConfig of a model under this name; raises ModelNotFoundError and ModelUnavailableError."""
    return {
        "name": name,
        "platform": platform_of(repository.find(name, version)),
        "backend": "singleshot",
        "max_batch_size": 0,  # the shapes have all axes; with a number, Triton's clients would add one
        "input": [{**triton_tensor(tensor), "optional": True} for tensor in INPUTS],
        "output": [triton_tensor(tensor) for tensor in OUTPUTS],
    }


def platform_of(model: ServedModel) -> str:
    """The platform by the engine that runs the model."""
    return f"singleshot_{model.engine.name}"


def triton_tensor(tensor: dict[str, Any]) -> dict[str, Any]:
    """A tensor of the metadata as Triton's ModelConfig describes it; there BYTES is a string."""
    datatype = {"BYTES": "STRING"}.get(tensor["datatype"], tensor["datatype"])
    return {"name": tensor["name"], "data_type": f"TYPE_{datatype}", "dims": tensor["shape"]}
