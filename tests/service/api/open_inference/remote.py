"""Triton's client of one protocol, for tests that are the same for both: what it reads has the form of HTTP's JSON."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.api.app import create_app
from service.settings import Settings
from tests.service.live_server import live_server
from tests.service.rpc.live import live_servers


class Remote:
    """A client of a server. `triton` is the module of the client, and `address` is that of HTTP."""

    def __init__(self, triton: ModuleType, client: Any, address: str) -> None:
        self.triton = triton
        self.client = client
        self.address = address
        self.Error = triton.InferenceServerException

    @property
    def is_http(self) -> bool:
        return self.triton.__name__ == "tritonclient.http"

    def get(self, what: str, *arguments: str) -> Any:
        """What the method `get_…` of the client reads."""
        return plain(getattr(self.client, f"get_{what}")(*arguments))

    def index(self) -> Any:
        found = self.get("model_repository_index")
        return found if self.is_http else found["models"]

    def config(self, *arguments: str) -> Any:
        found = self.get("model_config", *arguments)
        return found if self.is_http else found["config"]

    def infer(self, name: str, inputs: list[Any], **options: Any) -> "Answer":
        return Answer(self.client.infer(name, inputs, **options))

    def files(self, *files: bytes) -> Any:
        tensor = self.triton.InferInput("image", [len(files)], "BYTES")
        tensor.set_data_from_numpy(np.array([*files, None], dtype=object)[:-1])
        return tensor

    def pixels(self, images: NDArray[np.uint8], **options: Any) -> Any:
        tensor = self.triton.InferInput("images", list(images.shape), "UINT8")
        tensor.set_data_from_numpy(images, **options)
        return tensor


class Answer:
    """The answer to an inference request; `head` is what it has beside the tensors."""

    def __init__(self, result: Any) -> None:
        self._result = result
        self.head = plain(result.get_response())
        self.outputs = {output["name"]: output for output in self.head["outputs"]}

    def __getitem__(self, name: str) -> NDArray[Any]:
        found: NDArray[Any] = self._result.as_numpy(name)
        return found


def plain(found: Any) -> Any:
    """A message of protobuf as a dict with all its fields; anything else as it is."""
    if not hasattr(found, "DESCRIPTOR"):
        return found
    fields: dict[str, Any] = {}
    for field in found.DESCRIPTOR.fields:
        value = getattr(found, field.name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            fields[field.name] = {key: plain(item) for key, item in value.items()}
        elif field.is_repeated:
            fields[field.name] = [named(field, item) for item in value]
        else:
            fields[field.name] = named(field, value)
    return fields


def named(field: Any, value: Any) -> Any:
    """The value of a field, which is a name if it is one of an enum."""
    return plain(value) if field.enum_type is None else field.enum_type.values_by_number[value].name


@contextmanager
def connected(protocol: str, served: Settings) -> Iterator[Remote]:
    """A server with these settings, and a client of the protocol, which is `http` or `grpc`."""
    pytest.importorskip("grpc" if protocol == "grpc" else "geventhttpclient")
    triton = pytest.importorskip(f"tritonclient.{protocol}")
    with ExitStack() as stack:
        if protocol == "http":
            http_address = address = stack.enter_context(live_server(create_app(served)))
        else:
            live = stack.enter_context(live_servers(create_app(served)))
            http_address, address = live.http_address, live.address
        client = triton.InferenceServerClient(address)
        stack.callback(client.close)
        yield Remote(triton, client, http_address)
