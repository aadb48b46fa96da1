"""The page shows what the server knows about a model, and offers the pictures of its card."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from service.api.app import create_app
from service.bundle import Int8Form, add_int8
from service.card import Card
from tests.service.live_server import live_server
from tests.service.served_app import settings
from tests.tiny_bundle import EXAMPLE, write_tiny_bundle

CARD = Card(
    description="Finds red and green blocks.",
    trained_on="20 drawings",
    licence="MIT",
    link="https://example.org/blocks",
    examples=(EXAMPLE,),
    credit="drawn by hand",
)
INT8 = Int8Form(data_set="blocks/train", num_images=5, max_loss=0.5, loss=0.2)


@pytest.fixture(scope="module")
def carded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a server with a model that has a card, and with one that has none."""
    folder = tmp_path_factory.mktemp("bundles")
    path = write_tiny_bundle(folder / "carded", name="carded", card=CARD).path
    add_int8(path, INT8, b"form")
    with live_server(create_app(settings(path, write_tiny_bundle(folder / "plain", name="plain").path))) as address:
        yield address


def opened(browser: Browser, address: str, *, width: int, scheme: str = "light") -> Page:
    page = browser.new_page(
        viewport={"width": width, "height": 740}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.set_default_timeout(20_000)
    page.goto(f"http://{address}/")
    expect(page.locator("#model option")).to_have_count(2)
    return page


def test_the_card_is_shown_in_short_and_whole(browser: Browser, carded: str) -> None:
    page = opened(browser, carded, width=1280)
    expect(page.locator("#model-note")).to_have_text("Finds red and green blocks.")
    expect(page.locator("#model-facts li")).to_have_text(["onnx cpu, fp32", "MIT"])
    expect(page.locator("#credit")).to_have_text("Example pictures: Drawn by hand.")
    page.locator("#model-more").press("Enter")
    card = page.locator("#card-dialog")
    for text in (
        "20 drawings",
        "example.org/blocks",
        "64 × 64 pixels; pictures are stretched to it",
        "loses 0.2 points",
    ):
        expect(card).to_contain_text(text)
    expect(card.locator(".names li")).to_have_text(["red", "green"])
    page.locator("#card-model").select_option(label="plain")  # it shows a card and sends no picture again
    expect(card.locator(".lead")).to_have_text("Finds red and green.")
    page.keyboard.press("Escape")
    expect(page.locator("#model-more")).to_be_focused()
    page.close()


def test_an_example_of_the_card_is_taken_from_the_bundle(browser: Browser, carded: str) -> None:
    page = opened(browser, carded, width=360, scheme="dark")
    page.locator("#models-open").press("Enter")
    expect(page.locator("#card-dialog dt").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.locator("#card-dialog").get_by_role("button", name="Example 1").click()
    expect(page.locator("#status")).to_contain_text(f"2 detections in {EXAMPLE}")
    page.close()


def test_a_model_without_a_card_offers_the_picture_that_checks_it(page: Page) -> None:
    expect(page.locator("#model-note")).to_have_text("Finds red and green.")
    with page.expect_request("**/models/tiny/golden"):
        page.reload()
    expect(page.locator("#credit")).to_be_empty()
