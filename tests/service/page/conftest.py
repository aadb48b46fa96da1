"""A browser and a server for the tests of the page, shared by all of them.

Their scope is the package and not the session, because Playwright's event loop runs as long as the browser does, and
other tests run their own.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from service.api.app import create_app
from tests.service.browser import BROWSER, FLAGS
from tests.service.live_server import live_server
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a server with two models."""
    folder = tmp_path_factory.mktemp("bundles")
    bundles = [write_tiny_bundle(folder / name, name=name).path for name in ("tiny", "other")]
    with live_server(create_app(settings(*bundles))) as address:
        yield address


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("this machine has no Chromium or Chrome to open the page with")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """The page, open; at the end its console must hold no error and no warning, except refused requests."""
    errors: list[str] = []
    opened = browser.new_page()
    opened.set_default_timeout(20_000)
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    opened.goto(f"http://{server}/")
    expect(opened.locator("#model option")).to_have_count(2)
    yield opened
    opened.close()
    # the browser itself logs each refused request
    assert [text for text in errors if "Failed to load resource" not in text] == []
