"""A server of gRPC on a free port, and calls of it with the messages and the stub that Triton's client brings."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI

from service.api.app import create_app
from service.settings import Settings
from tests.service.faulty_engine import FaultyEngines
from tests.service.rpc.live import Live, live_servers
from tests.service.served_app import GOLDEN

grpc = pytest.importorskip("grpc")
pb = pytest.importorskip("tritonclient.grpc.service_pb2")
stubs = pytest.importorskip("tritonclient.grpc.service_pb2_grpc")
Code = grpc.StatusCode


@dataclass(frozen=True)
class Served:
    """A running server; `stub` calls it, on one connection."""

    app: FastAPI
    live: Live
    channel: Any
    stub: Any


@contextmanager
def serve(served: Settings, engines: FaultyEngines | None = None) -> Iterator[Served]:
    """Serve HTTP and gRPC with these settings."""
    app = create_app(served) if engines is None else create_app(served, engines)
    with live_servers(app) as live, grpc.insecure_channel(live.address) as channel:
        yield Served(app, live, channel, stubs.GRPCInferenceServiceStub(channel))


def tensor(name: str = "image", datatype: str = "BYTES", shape: tuple[int, ...] = (1,), **contents: Any) -> Any:
    """An input, with InferTensorContents if there are any."""
    made = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    if contents:
        made.contents.CopyFrom(pb.InferTensorContents(**contents))
    return made


def raw(*elements: bytes) -> bytes:
    """A BYTES tensor as bytes."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def request(*inputs: Any, model_name: str = "tiny", raw_inputs: tuple[bytes, ...] = (), **fields: Any) -> Any:
    """An inference request; without inputs, it is for one image file."""
    if not inputs:
        inputs, raw_inputs = (tensor(),), raw_inputs or (raw(GOLDEN),)
    return pb.ModelInferRequest(model_name=model_name, inputs=inputs, raw_input_contents=raw_inputs, **fields)


def refused(code: Any, call: Any, *arguments: Any, **options: Any) -> Any:
    """Check that a call ends with that status -> its error."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    error: Any = caught.value
    assert error.code() is code, error
    assert "Traceback" not in error.details()
    return error


def trailing(error: Any) -> dict[str, str]:
    """The metadata after an answer."""
    return dict(error.trailing_metadata())
