"""The network between the page and its server: how slow it is, and what goes over it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import CDPSession, Page

# milliseconds and bytes a second, as Lighthouse has them
SLOW_4G = {"latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
OFFLINE = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
FREE = {**OFFLINE, "offline": False}


@contextmanager
def slow_network(page: Page, **changes: int) -> Iterator[None]:
    """A slow mobile network for this page, in both directions, until the end of the block.

    `changes`: latency in milliseconds, downloadThroughput and uploadThroughput in bytes a second.
    """
    with emulated(page, {"offline": False, **SLOW_4G, **changes}):
        yield


@contextmanager
def no_network(page: Page) -> Iterator[None]:
    """No network for this page until the end of the block: each request fails at once."""
    with emulated(page, OFFLINE):
        yield


@contextmanager
def emulated(page: Page, conditions: dict[str, Any]) -> Iterator[None]:
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", conditions)
    try:
        yield
    finally:
        session.send("Network.emulateNetworkConditions", FREE)
        session.detach()


class Transfers:
    """What a page loads from now on: the bytes on the wire (heads and compressed bodies) of each address.

    `Transfers(page)` before `page.goto(…)`; then `transfers.bytes_of("Script", "Stylesheet")`, or without kinds for
    everything except pictures. The kinds are those of the DevTools protocol.
    """

    def __init__(self, page: Page):
        self.urls: dict[str, str] = {}  # of each request
        self.kinds: dict[str, str] = {}
        self.sizes: dict[str, int] = {}
        self.session: CDPSession = page.context.new_cdp_session(page)
        self.session.on("Network.responseReceived", self.begin)
        self.session.on("Network.loadingFinished", self.end)
        self.session.send("Network.enable")

    def begin(self, event: dict[str, Any]) -> None:
        is_picture = event["response"]["mimeType"].startswith("image/")  # also one that a script fetches
        self.kinds[event["requestId"]] = "Image" if is_picture else event["type"]
        self.urls[event["requestId"]] = event["response"]["url"]

    def end(self, event: dict[str, Any]) -> None:
        self.sizes[event["requestId"]] = round(event["encodedDataLength"])

    def bytes_of(self, *kinds: str) -> int:
        return sum(size for _, size in self.listed(*kinds))

    def listed(self, *kinds: str) -> list[tuple[str, int]]:
        """The address and the bytes of each finished request of these kinds, in their order."""
        return [
            (self.urls[request], size)
            for request, size in self.sizes.items()
            if request in self.kinds and (self.kinds[request] in kinds if kinds else self.kinds[request] != "Image")
        ]
