"""A browser and a server for the tests of the page, shared by all of them.

- `page`: the page, open on a desktop. `open_page(width, scheme=…, forced_colors=…, …)`: the page as another visitor has
  it; see `opening.py`. Both fail a test at its end if the console of a page holds an error or a warning.
- `returning_server`: a server of one's own that stops and comes back at the same address.
- `accessibility.assert_accessible(page)` asks axe; `network.slow_network(page)`, `network.no_network(page)` and
  `network.Transfers(page)` are about the network; `visitor.py` is what a visitor does.

Their scope is the package and not the session, because Playwright's event loop runs as long as the browser does, and
other tests run their own.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.api.app import create_app
from tests.service.browser import BROWSER, FLAGS
from tests.service.live_server import live_server
from tests.service.page.opening import Opener
from tests.service.page.returning_server import ReturningServer
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="package")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The paths of two bundles."""
    folder = tmp_path_factory.mktemp("bundles")
    return [str(write_tiny_bundle(folder / name, name=name).path) for name in ("tiny", "other")]


@pytest.fixture(scope="package")
def server(bundles: list[str]) -> Iterator[str]:
    """host:port of a server with two models."""
    with live_server(create_app(settings(*bundles))) as address:
        yield address


@pytest.fixture
def returning_server(bundles: list[str]) -> Iterator[ReturningServer]:
    """A server with two models that can stop and come back; it runs."""
    server = ReturningServer(lambda: create_app(settings(*bundles)))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("this machine has no Chromium or Chrome to open the page with")
    expect.set_options(timeout=20_000)  # milliseconds, as for all that a page does: the machine may have other work
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, server: str) -> Iterator[Opener]:
    """Opens the page as often as a test wants; at the end no page's console may hold an error or a warning."""
    opener = Opener(browser, server)
    yield opener
    opener.close()


@pytest.fixture
def page(open_page: Opener) -> Page:
    """The page, open on a desktop."""
    opened = open_page()
    expect(opened.locator("#model option")).to_have_count(2)
    return opened


@pytest.fixture
def modules(open_page: Opener) -> Page:
    """A blank page of the server, which opens fast and in which a test imports single modules of the page."""
    opened = open_page(is_loaded=False)
    opened.goto("healthz")
    return opened
