"""A client of two models, with low limits."""

from collections.abc import Iterator

import pytest

from service.api.app import create_app
from service.bundle import Bundle
from tests.asgi_client import AsgiClient
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="module")
def client(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsgiClient]:
    """Serves the models `tiny`, which is the default, and `second`, which letterboxes its images."""
    second = write_tiny_bundle(tmp_path_factory.mktemp("more") / "second", name="second", resize="letterbox")
    limits = settings(tiny_bundle.path, second.path, max_body_bytes=200_000, max_pixels=1_000_000, max_files=4)
    with AsgiClient(create_app(limits)) as running:
        yield running
