"""A server that stops and comes back at the same address, as one does that is restarted."""

from collections.abc import Callable
from contextlib import ExitStack

from starlette.types import ASGIApp

from tests.service.live_server import live_server


class ReturningServer:
    """`start()` serves a new application of `create`, and `stop()` ends it; `address` (host:port) stays the same."""

    def __init__(self, create: Callable[[], ASGIApp]):
        self.create = create
        self.address = ""
        self.running = ExitStack()

    def start(self) -> None:
        port = int(self.address.rpartition(":")[2] or 0)
        self.address = self.running.enter_context(live_server(self.create(), port=port))

    def stop(self) -> None:
        self.running.close()
