"""A page of another origin in headless Chromium: what it can read of the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.api.app import create_app
from tests.service.browser import BROWSER, FLAGS
from tests.service.live_server import live_server
from tests.service.served_app import GOLDEN, settings
from tests.tiny_bundle import write_tiny_bundle

if BROWSER is None:
    pytest.skip("this machine has no Chromium or Chrome to open the page with", allow_module_level=True)

from playwright.sync_api import Page, sync_playwright

KEY = "a-secret"
ASK = """async ([address, bytes, key]) => {
    const headers = { "Content-Type": "image/png", "X-API-Key": key };
    try {
        const body = new Uint8Array(bytes);
        const response = await fetch(`http://${address}/detect`, { method: "POST", headers, body });
        return [response.status, Boolean(response.headers.get("X-Request-Id")), Object.keys(await response.json())[0]];
    } catch (error) {
        return [error.name];
    }
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("cors")
    (path / "keys").write_text(f"somebody {KEY}\n")
    write_tiny_bundle(path / "tiny")
    return path


@pytest.fixture(scope="module")
def elsewhere(folder: Path) -> Iterator[str]:
    """host:port of the site that the page is from; it needs a key for its own images, and allows no other origin."""
    with live_server(create_app(settings(folder / "tiny", api_keys_file=folder / "keys"))) as address:
        yield address


@pytest.fixture(scope="module")
def page(elsewhere: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        opened = browser.new_page()
        opened.goto(f"http://{elsewhere}/healthz")
        yield opened
        browser.close()


def test_a_page_reads_answers_and_refusals_only_if_its_origin_is_allowed(
    page: Page, elsewhere: str, folder: Path
) -> None:
    allowed = settings(folder / "tiny", api_keys_file=folder / "keys", cors_origins=(f"http://{elsewhere}",))
    with live_server(create_app(allowed)) as address:
        assert page.evaluate(ASK, [address, list(GOLDEN), KEY]) == [200, True, "model"]
        assert page.evaluate(ASK, [address, list(GOLDEN), "wrong"]) == [401, True, "type"]
    with live_server(create_app(settings(folder / "tiny"))) as address:
        assert page.evaluate(ASK, [address, list(GOLDEN), KEY]) == ["TypeError"]
