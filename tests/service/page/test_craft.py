"""The whole page as different visitors have it: each part is for everybody, and fits the screen."""

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.visitor import GOLDEN, choose, payload

TRUTH = (
    b"0 0.375 0.375 0.25 0.25\n1 0.9 0.9 0.1 0.1\n"  # of YOLO's kind: one that the model finds, and one that it misses
)
# the text spacing that readers may ask for (WCAG 1.4.12)
SPACING = """() => {
    const sheet = new CSSStyleSheet();
    const spacing = { "line-height": "1.5", "letter-spacing": ".12em", "word-spacing": ".16em" };
    sheet.replaceSync(`* { ${Object.entries(spacing).map((pair) => pair.join(":") + " !important").join(";")} }`);
    document.adoptedStyleSheets = [sheet];
}"""
STOP = """() => {
    const node = document.activeElement;
    const shown = node.matches(".segments input") ? node.nextElementSibling : node;
    const { outlineStyle, outlineWidth } = getComputedStyle(shown);
    const { top, bottom, left, right } = shown.getBoundingClientRect();
    return {
        name: node.id || node.getAttribute("aria-label") || node.value || node.textContent.trim().slice(0, 30),
        isPage: node === document.body,
        isSeen: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
        isInView: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
    };
}"""
LISTEN = """() => {
    window.spoken = [];
    const live = "[role=status], [role=alert], output:not([aria-live=off])";
    const note = ({ target }) => window.spoken.push(target.outerHTML);
    const observer = new MutationObserver((changes) => changes.forEach(note));
    for (const region of document.querySelectorAll(live)) observer.observe(region, { subtree: true, childList: true });
}"""


@pytest.mark.parametrize(
    ("width", "scheme", "rules"),
    [
        (1280, "light", ()),
        (360, "dark", ()),
        (1280, "dark", ("color-contrast",)),
        (360, "light", ("color-contrast", "target-size")),
    ],
)
def test_each_part_is_for_everybody_and_fits_the_screen(
    open_page: Opener, width: int, scheme: Literal["light", "dark"], rules: tuple[str, ...]
) -> None:
    page = open_page(width, scheme=scheme)

    def look(part: str | None = None) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert_accessible(page, part, rules=rules)

    look()
    page.set_input_files("#file", [payload(f"cells-{number}.png", GOLDEN) for number in range(3)])
    expect(page.locator("#progress-text")).to_have_text("3 pictures, 6 detections")
    page.locator("#show-all").click()
    if width < 600:
        page.locator("#fold").click()
    expect(page.locator("#settings")).to_be_visible()
    look()
    open_menu(page, "#choose-truth", lambda: add_truth(page))
    expect(page.locator("#truth")).to_contain_text("missed")
    open_menu(page, "#compare")
    expect(page.locator("#right-model")).to_be_visible()
    expect(page.locator("#differences-short")).not_to_have_text("")
    look()
    page.locator("#end-comparison").click()
    expect(page.locator("#right-model")).to_be_hidden()
    for button, dialog in (("#model-more", "#card-dialog"), ("#numbers-open", "#numbers-dialog")):
        page.locator(button).click()
        expect(page.locator(dialog)).to_be_visible()
        look(dialog)
        page.keyboard.press("Escape")
        expect(page.locator(button)).to_be_focused()


def add_truth(page: Page) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#choose-truth").click()
    chooser.value.set_files({"name": "cells-0.txt", "mimeType": "text/plain", "buffer": TRUTH})


def open_menu(page: Page, entry: str, choose: Callable[[], None] | None = None) -> None:
    """Open the menu that holds an entry, and choose the entry."""
    page.locator(f".menu:has({entry}) > summary").click()
    expect(page.locator(entry)).to_be_visible()
    if choose is None:
        page.locator(entry).click()
    else:
        choose()


def test_the_keyboard_reaches_everything_and_its_place_is_always_seen(page: Page) -> None:
    page.keyboard.press("Tab")
    assert page.evaluate(STOP)["name"] == "Skip to the pictures"
    page.keyboard.press("Enter")
    while page.evaluate(STOP)["name"] != "Example 1":
        page.keyboard.press("Tab")
        assert not page.evaluate(STOP)["isPage"], "no example was reached"
    page.keyboard.press("Enter")
    expect(page.locator("#rows tr")).to_have_count(2)
    page.evaluate("document.activeElement.blur()")
    stops = list(walk(page))
    assert [stop["name"] for stop in stops if not stop["isSeen"] or not stop["isInView"]] == []
    names = {stop["name"] for stop in stops}
    wanted = {"show-labels", "zoom-in", "Save", "Compare", "figure", "threshold", "limit", "tile", "model"}
    assert wanted <= names, wanted - names


def walk(page: Page, most: int = 120) -> list[dict[str, object]]:
    """Press Tab from the start of the page to its end -> the places of the focus."""
    stops: list[dict[str, object]] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        stop = page.evaluate(STOP)
        if stop["isPage"] or (stops and stop == stops[0]):
            return stops
        stops.append(stop)
    raise AssertionError(f"the focus goes round: {stops}")


def test_the_focus_is_never_lost(page: Page) -> None:
    page.set_input_files("#file", [payload(f"cells-{number}.png", GOLDEN) for number in range(3)])
    expect(page.locator("#progress-text")).to_have_text("3 pictures, 6 detections")
    actions = [
        "#thumbs [aria-current=true]",
        "#thumbs li:first-child .remove",
        "#next",
        "#previous",
        "#show-all",
        "#clear",
        "#undo",
        "#clear",
    ]
    for action in actions:
        page.locator(action).focus()
        page.keyboard.press("Enter")
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        stop = page.evaluate(STOP)
        assert not stop["isPage"], action


def test_what_stays_the_same_is_not_spoken_again(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    page.evaluate(LISTEN)
    page.locator("#show-labels").click()  # draws all parts
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert page.evaluate("window.spoken") == []


@pytest.mark.parametrize("width", [320, 1280])
def test_larger_text_and_spacing_cut_nothing_off(open_page: Opener, width: int) -> None:
    page = open_page(width)  # 320 pixels are 1280 at 400 % (WCAG 1.4.10)
    page.set_input_files("#file", [payload(f"cells-{number}.png", GOLDEN) for number in range(2)])
    expect(page.locator("#progress-text")).to_have_text("2 pictures, 4 detections")
    page.evaluate(SPACING)
    page.evaluate("document.documentElement.style.fontSize = '125%'")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = """() => [...document.querySelectorAll("button, summary, label, h2, .quiet")]
        .filter((node) => node.checkVisibility() && getComputedStyle(node).overflowX === "hidden")
        .filter((node) => node.scrollWidth > node.clientWidth + 1 && !node.querySelector("img, canvas"))
        .map((node) => node.outerHTML.slice(0, 120))"""
    assert page.evaluate(cut) == []
