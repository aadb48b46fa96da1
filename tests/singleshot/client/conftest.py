"""A server with the tiny bundle, one that plays a script, and both clients."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from singleshot import Client
from tests.service.server_process import serving
from tests.singleshot.client.awaited import AnyClient, AwaitedClient
from tests.singleshot.client.scripted_server import ScriptedServer
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose model finds red and green blocks."""
    bundle = write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")
    with serving(bundle) as (_, _, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=[Client, AwaitedClient], ids=["Client", "AsyncClient"])
def kind(request: pytest.FixtureRequest) -> AnyClient:
    """Each of the two clients."""
    found: AnyClient = request.param
    return found


@pytest.fixture
def scripted() -> Iterator[ScriptedServer]:
    """A server that plays a script of replies."""
    with ExitStack() as stack:
        yield stack.enter_context(ScriptedServer.running())
