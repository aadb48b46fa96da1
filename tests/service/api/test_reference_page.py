"""The reference of the API in headless Chromium, without a network: complete, and no request leaves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.app import create_app
from tests.service.browser import BROWSER, FLAGS
from tests.service.live_server import live_server
from tests.service.served_app import settings
from tests.tiny_bundle import write_tiny_bundle

if BROWSER is None:
    pytest.skip("this machine has no Chromium or Chrome to open the page with", allow_module_level=True)

from playwright.sync_api import Browser, Page, expect, sync_playwright

CUT = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
KEY, PREFIX = "a-secret", "/behind/a/proxy"
WATCH = """() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
}"""
DETECT = ".opblock:has-text('/detect')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a server that needs a key, and that is also at PREFIX, as behind a proxy that removes it."""
    folder: Path = tmp_path_factory.mktemp("reference")
    (folder / "keys").write_text(f"somebody {KEY}\n")
    bundle = write_tiny_bundle(folder / "tiny")
    app = create_app(settings(bundle.path, api_keys_file=folder / "keys"))

    async def proxy(scope: Any, receive: Any, send: Any) -> None:
        path = scope.get("path", "").removeprefix(PREFIX)
        await app({**scope, "path": path, "raw_path": path.encode()} if path else scope, receive, send)

    with live_server(proxy) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER, args=[*FLAGS, CUT])
        yield running
        running.close()


@pytest.fixture(params=["", PREFIX], ids=["at the root", "behind a proxy"])
def page(browser: Browser, server: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The reference, open; at the end no request has left its server, and its console and its policy had no error."""
    errors: list[str] = []
    urls: list[str] = []
    opened = browser.new_page()
    opened.set_default_timeout(20_000)
    opened.add_init_script(f"({WATCH})()")
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("request", lambda sent: urls.append(sent.url))
    opened.goto(f"http://{server}{request.param}/docs")
    yield opened
    assert opened.evaluate("window.violations") == []
    opened.close()
    assert [text for text in errors if "status of 401" not in text] == []
    assert urls
    assert [url for url in urls if not url.startswith((f"http://{server}{request.param}/", "data:", "blob:"))] == []


def test_every_operation_is_shown_and_can_be_tried(page: Page, server: str) -> None:
    document = httpx.get(f"http://{server}/openapi.json").json()
    num_operations = sum(len(operations) for operations in document["paths"].values())
    expect(page.locator(".opblock")).to_have_count(num_operations)

    page.locator(DETECT).locator(".opblock-summary-control").click()
    page.locator(DETECT).locator(".execute").click()
    answer = page.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("401")

    page.locator(".scheme-container .authorize").click()
    page.locator(".auth-container input").first.fill(KEY)
    page.locator(".auth-btn-wrapper .authorize").first.click()
    page.locator(".btn-done").first.click()
    page.locator(DETECT).locator(".execute").click()
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer.locator(".response-col_description")).to_contain_text('"model"')
