"""What the first drawing of the page loads, and what it shows until it is there."""

import re

import pytest
from playwright.sync_api import Page, Route, expect

from tests.service.page.network import Transfers
from tests.service.page.opening import Opener
from tests.service.page.visitor import GOLDEN, choose

BUDGET = 100_000  # bytes over the wire until the page can be used, besides pictures
SHIFT = 0.05  # as browsers score it: the share of the page that moves, times how far it moves; 0.1 counts as good
SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const { value, sources, hadRecentInput } of list.getEntries())
            if (!hadRecentInput) window.shifts.push({ value, moved: sources.map(({ node }) => node?.outerHTML) });
    }).observe({ type: "layout-shift", buffered: true });
}"""


def test_the_first_drawing_takes_less_than_a_hundred_kilobytes_and_no_chain_of_modules(open_page: Opener) -> None:
    page = open_page(is_loaded=False)
    transfers = Transfers(page)
    later: list[Route] = []
    page.route("**/page/work.js", lambda route: later.append(route))
    with page.expect_request("**/page/work.js"):
        page.goto("")
    expect(page.locator("#model option")).to_have_count(2)
    expect(page.locator("#example-list img")).to_be_visible()
    assert 0 < transfers.bytes_of() < BUDGET, transfers.listed()
    loaded = {url.partition("/page/")[2] for url, _ in transfers.listed("Script")}
    linked = page.locator("link[rel=modulepreload]").evaluate_all("links => links.map(link => link.href)")
    assert loaded == {"app.js", *(re.sub(".*/page/", "", link) for link in linked)}
    choose(page, "cells.png", GOLDEN)  # before the parts that show it
    expect(page.locator("#coming")).to_have_text("Loading the view of your pictures…")
    later.pop().continue_()
    expect(page.locator("#rows tr")).to_have_count(2)


def test_the_parts_that_show_pictures_are_loaded_again_if_the_server_was_gone(open_page: Opener) -> None:
    page = open_page(is_loaded=False)
    page.route("**/page/viewer/viewer.js", lambda route: route.abort(), times=1)
    with page.expect_event("requestfailed"):
        page.goto("")
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)


@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_moves_when_the_models_come_late(open_page: Opener, width: int) -> None:
    page = open_page(width, is_loaded=False)
    page.add_init_script(f"({SHIFTS})()")
    held: list[Route] = []
    page.route("**/models", lambda route: held.append(route))
    with page.expect_request("**/models"):
        page.goto("")
    expect(page.locator("main")).to_have_attribute("aria-busy", "true")
    held.pop().continue_()
    expect(page.locator("main")).not_to_have_attribute("aria-busy", "true")
    page.wait_for_load_state("networkidle")
    assert_nothing_moved(page)


def assert_nothing_moved(page: Page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shifts = page.evaluate("window.shifts")
    assert sum(shift["value"] for shift in shifts) < SHIFT, shifts
