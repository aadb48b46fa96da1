"""The methods that answer at once: health, metadata, configuration, statistics and the repository."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from google.protobuf import json_format

from service.api.open_inference.metadata import config_of, metadata_of, metadata_of_server
from service.api.open_inference.repository import check_control, index_of, load_model
from service.api.open_inference.statistics import model_statistics
from service.api.problems import RequestError
from service.api.state import ServerState
from service.repository.repository import ModelNotFoundError, ModelUnavailableError
from service.rpc.call import Call, Context, parse_message, read_data
from service.rpc.calls import Calls
from service.rpc.messages import HEALTH, SERVICE, Message, message_class

READ_SECONDS = 5.0  # that the message of such a method may take
MAX_BYTES = 2**18  # of such a message; the event loop reads it


@dataclass(frozen=True)
class Method:
    """A method: its path, the route of HTTP for the same operation, whether it needs an API key, and its answer.

    The answer is a dict in the form of the response's message.
    """

    path: str
    route: str
    needs_key: bool
    answer: Callable[[ServerState, Message], Awaitable[dict[str, Any]]]

    def handler(self, server: ServerState, calls: Calls) -> Callable[[object, Context], Awaitable[bytes]]:
        """The handler of gRPC."""
        package, _, name = self.path[1:].partition("/")
        prefix = f"{package.rpartition('.')[0]}.{'HealthCheck' if package == HEALTH else name}"
        request_class, response_class = message_class(f"{prefix}Request"), message_class(f"{prefix}Response")

        async def work(call: Call) -> Message:
            if self.needs_key:
                server.access.admit(call.headers, call.address, call.record)
            with calls.reading():
                data = await read_data(call, request_class, min(READ_SECONDS, server.settings.receive_seconds))
            if len(data) > MAX_BYTES:
                raise RequestError(413, f"the message has {len(data)} bytes, the most for this method is {MAX_BYTES}")
            answer = await self.answer(server, parse_message(data, request_class))
            return json_format.ParseDict(answer, response_class())

        async def handle(_: object, context: Context) -> bytes:
            return await calls.answer(Call(self.path, self.route, context), work)

        return handle


async def server_live(_: ServerState, __: Message) -> dict[str, Any]:
    """The process is alive."""
    return {"live": True}


async def server_ready(server: ServerState, _: Message) -> dict[str, Any]:
    """Whether the server accepts requests."""
    return {"ready": server.trouble is None}


async def model_ready(server: ServerState, request: Message) -> dict[str, Any]:
    """Whether a model accepts requests; one that is not served does not."""
    try:
        return {"ready": server.repository.find(request.name, request.version or None).trouble is None}
    except (ModelNotFoundError, ModelUnavailableError):
        return {"ready": False}


async def server_metadata(_: ServerState, __: Message) -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return metadata_of_server()


async def model_metadata(server: ServerState, request: Message) -> dict[str, Any]:
    """Versions, inputs and outputs of a model."""
    return metadata_of(server.repository, request.name, request.version or None)


async def model_config(server: ServerState, request: Message) -> dict[str, Any]:
    """A model as Triton's ModelConfig."""
    return {"config": config_of(server.repository, request.name, request.version or None)}


async def statistics(server: ServerState, request: Message) -> dict[str, Any]:
    """The statistics of a version, of a model, or of all models."""
    return model_statistics(server.repository, request.name, request.version or None)


async def repository_index(server: ServerState, request: Message) -> dict[str, Any]:
    """The bundles that the server knows."""
    check_repository(request)
    return {"models": index_of(server.repository, is_ready=request.ready)}


async def repository_load(server: ServerState, request: Message) -> dict[str, Any]:
    """Load a bundle again."""
    check_control(server)
    check_repository(request)
    await load_model(server, request.model_name, request.parameters)
    return {}


async def repository_unload(server: ServerState, request: Message) -> dict[str, Any]:
    """Stop serving a model."""
    check_control(server)
    check_repository(request)
    await server.repository.unload(request.model_name)
    return {}


async def check_health(server: ServerState, request: Message) -> dict[str, Any]:
    """The health of a service, as gRPC's health checking protocol has it; `liveness` is for Kubernetes' probe."""
    match request.service:
        case "" | "readiness" | "inference.GRPCInferenceService":
            is_serving = server.trouble is None
        case "liveness":
            is_serving = server.dead_model is None
        case _:
            detail = f"no service has that name; ask for {SERVICE}, readiness, liveness or the empty name"
            raise RequestError(404, detail)
    return {"status": "SERVING" if is_serving else "NOT_SERVING"}


def check_repository(request: Message) -> None:
    """Raise RequestError 400 if the request is for another repository than the only one."""
    if request.repository_name:
        raise RequestError(400, "repository_name has no effect here, because there is one repository; leave it out")


def of_service(name: str, route: str, answer: Any, *, needs_key: bool = True) -> Method:
    """A method of the Open Inference Protocol."""
    return Method(f"/{SERVICE}/{name}", route, needs_key, answer)


free = partial(of_service, needs_key=False)
METHODS = [
    free("ServerLive", "/v2/health/live", server_live),
    free("ServerReady", "/v2/health/ready", server_ready),
    free("ModelReady", "/v2/models/{name}/ready", model_ready),
    free("ServerMetadata", "/v2", server_metadata),
    of_service("ModelMetadata", "/v2/models/{name}", model_metadata),
    of_service("ModelConfig", "/v2/models/{name}/config", model_config),
    of_service("ModelStatistics", "/v2/models/{name}/stats", statistics),
    of_service("RepositoryIndex", "/v2/repository/index", repository_index),
    of_service("RepositoryModelLoad", "/v2/repository/models/{name}/load", repository_load),
    of_service("RepositoryModelUnload", "/v2/repository/models/{name}/unload", repository_unload),
    Method(f"/{HEALTH}/Check", "/readyz", False, check_health),
]
