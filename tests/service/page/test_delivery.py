"""What the first drawing of the page loads, and what it shows until it is there."""

import re

from playwright.sync_api import expect

from tests.service.page.network import Transfers
from tests.service.page.opening import Opener

BUDGET = 100_000  # bytes over the wire until the page can be used, besides pictures


def test_the_first_drawing_takes_less_than_a_hundred_kilobytes_and_no_chain_of_modules(open_page: Opener) -> None:
    page = open_page(is_loaded=False)
    transfers = Transfers(page)
    page.goto("")
    expect(page.locator("#model option")).to_have_count(2)
    page.wait_for_load_state("networkidle")
    assert 0 < transfers.bytes_of() < BUDGET, transfers.listed()
    loaded = {url.partition("/page/")[2] for url, _ in transfers.listed("Script")}
    linked = page.locator("link[rel=modulepreload]").evaluate_all("links => links.map(link => link.href)")
    assert loaded == {"app.js", *(re.sub(".*/page/", "", link) for link in linked)}
