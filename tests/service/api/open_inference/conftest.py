"""Servers of the Open Inference Protocol: one for Triton's client, one for requests by hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.live_server import live_server
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny").path


@pytest.fixture(scope="module")
def remote(bundle_path: Path) -> Iterator[Any]:
    """Triton's client of a server that may load and unload its model, which is also served as `blood-cells`."""
    triton = pytest.importorskip("tritonclient.http")
    served = settings(bundle_path, model_control=True, max_files=4, serve_as=("blood-cells",))
    with live_server(create_app(served)) as address:
        client = triton.InferenceServerClient(address)
        yield client
        client.close()


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle) -> Iterator[AsgiClient]:
    """A client of a server that takes images of at most 10,000 pixels."""
    with AsgiClient(create_app(settings(tiny_bundle.path, max_pixels=10_000))) as running:
        yield running
