"""A server of gRPC, for tests that do not change it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from service.bundle import Bundle
from tests.service.served_app import settings

if TYPE_CHECKING:
    from tests.service.rpc.served import Served


@pytest.fixture(scope="module")
def served(tiny_bundle: Bundle) -> Iterator["Served"]:
    """A server that takes images of at most 10,000 pixels, 4 in a message of at most 200,000 bytes."""
    from tests.service.rpc.served import serve  # it skips the tests that use it if gRPC is not installed

    limits = settings(tiny_bundle.path, max_pixels=10_000, max_files=4, max_body_bytes=200_000, grpc_port=0)
    with serve(limits) as running:
        yield running
