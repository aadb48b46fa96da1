"""Whether everybody can use the page: contrasts, names, sizes, and a server that is away for a while."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.service.page.contrast import contrast
from tests.service.page.network import no_network, slow_network
from tests.service.page.opening import Opener
from tests.service.page.returning_server import ReturningServer
from tests.service.page.visitor import GOLDEN, choose

GROUNDS = ("ground", "card", "tint", "well", "warn-tint")
# (foreground, background) -> the contrast that WCAG 2.2 asks for: 4.5 for text (1.4.3), 3 for controls (1.4.11)
PAIRS = {
    **{(text, ground): 4.5 for text in ("text", "quiet", "accent", "warn", "good") for ground in GROUNDS},
    **{(f"on-{colour}", colour): 4.5 for colour in ("accent", "warn", "good")},
    ("ground", "text"): 4.5,  # of a toast
    **{("control-line", ground): 3 for ground in GROUNDS},
}
COLOURS = """() => {
    const style = getComputedStyle(document.documentElement);
    return Object.fromEntries([...style].filter((name) => name.startsWith("--"))
        .map((name) => [name.slice(2), style.getPropertyValue(name)]));
}"""


def test_the_contrasts_of_the_colours_are_known() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#fff", "#777777") == pytest.approx(4.48, abs=0.005)  # WebAIM's contrast checker says so
    assert contrast("#777", "#777") == 1


def test_all_text_and_all_controls_stand_out_in_both_schemes(open_page: Opener) -> None:
    page = open_page()
    for scheme in ("light", "dark"):
        for preference in ("no-preference", "more"):
            page.emulate_media(color_scheme=scheme, contrast=preference)
            colours = page.evaluate(COLOURS)
            for (front, back), least in PAIRS.items():
                measured = contrast(colours[front], colours[back])
                assert measured >= least, f"{front} on {back}, {scheme}, {preference}: {measured:.2f}"


def test_forced_colours_leave_what_the_page_says_by_colour(open_page: Opener) -> None:
    page = open_page(forced_colors=True)
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    assert len(backgrounds(page, "#rows .swatch")) == 2
    assert len(backgrounds(page, "#time-bar i")) == 5
    chosen, others = (backgrounds(page, f".segments input{state} + span") for state in (":checked", ":not(:checked)"))
    assert chosen.isdisjoint(others)
    colour = "(node) => getComputedStyle(node).color"
    tab, segment = (page.locator(part).first for part in ("[role=tab][aria-selected=true]", "input:checked + span"))
    assert tab.evaluate(colour) == segment.evaluate(colour)  # that of highlighted text


def backgrounds(page: Page, selector: str) -> set[str]:
    """The background colours of these elements."""
    colours = "(nodes) => nodes.map((node) => getComputedStyle(node).backgroundColor)"
    return set(page.locator(selector).evaluate_all(colours))


def test_nothing_moves_for_those_who_prefer_it(open_page: Opener) -> None:
    page = open_page(reduced_motion=True, is_loaded=False)
    held: list[Route] = []
    page.route("**/models", lambda route: held.append(route))
    page.goto("")
    expect(page.locator("#settings")).to_be_visible()
    page.wait_for_function("() => document.getAnimations().every(({ playState }) => playState === 'finished')")
    assert held


def test_the_page_waits_for_a_server_that_is_away(open_page: Opener, returning_server: ReturningServer) -> None:
    page = open_page(address=returning_server.address)
    returning_server.stop()
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#pause-text")).to_have_text("The server does not answer; 1 picture waits.")
    returning_server.start()
    expect(page.locator("#rows tr")).to_have_count(2)


def test_the_page_works_over_a_slow_network_that_fails_for_a_while(open_page: Opener) -> None:
    page = open_page(is_loaded=False)
    with slow_network(page):
        page.goto("")
        expect(page.locator("#model option")).to_have_count(2)
    with no_network(page):
        choose(page, "cells.png", GOLDEN)
        expect(page.locator("#pause-text")).to_have_text("This device is offline; 1 picture waits.")
    expect(page.locator("#rows tr")).to_have_count(2)
