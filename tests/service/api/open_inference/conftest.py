"""Servers of the Open Inference Protocol: one for Triton's client, one for requests by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.api.open_inference.remote import Remote, connected
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny").path


@pytest.fixture(scope="module", params=["http", "grpc"])
def remote(request: pytest.FixtureRequest, bundle_path: Path) -> Iterator[Remote]:
    """Triton's client of a server that may load and unload its model, which is also served as `blood-cells`."""
    port = {"http": None, "grpc": 0}[request.param]
    served = settings(bundle_path, model_control=True, max_files=4, serve_as=("blood-cells",), grpc_port=port)
    with connected(request.param, served) as running:
        yield running


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle) -> Iterator[AsgiClient]:
    """A client of a server that takes images of at most 10,000 pixels."""
    with AsgiClient(create_app(settings(tiny_bundle.path, max_pixels=10_000))) as running:
        yield running
