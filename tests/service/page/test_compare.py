"""Two models, or one with two settings, compared on the page."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Request, Route, expect

from service.api.app import create_app
from service.bundle import MANIFEST
from tests.service.live_server import live_server
from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.shifted_bundle import write_shifted_bundle
from tests.service.page.visitor import GOLDEN, payload, put
from tests.service.served_app import settings
from tests.tiny_bundle import golden_image, png, write_tiny_bundle

DIM = png(golden_image(200))  # both squares score 200 / 255
AT_ONCE = 3
SEEK_AND_LEAVE = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const threshold = document.getElementById("right-threshold");
    document.querySelector("#difference-list button").click();
    threshold.value = 1; // the sought detection is gone before the views have reached it
    threshold.dispatchEvent(new Event("input", { bubbles: true }));
    await frame();
    await frame();
    document.getElementById("right-figure").dispatchEvent(new KeyboardEvent("keydown", { key: "+" }));
    await frame();
    await frame();
}"""
HOLD_WORK = "window.held = []; window.requestIdleCallback = (work) => window.held.push(work);"
DO_WORK = "for (const work of window.held.splice(0)) work({ timeRemaining: () => 50 });"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with two versions of a model; the second finds everything a bit further right."""
    folder = tmp_path_factory.mktemp("versions")
    first, second = write_tiny_bundle(folder / "1"), write_shifted_bundle(folder / "2")
    with live_server(create_app(settings(first.path, canaries=(str(second.path),), canary_share=0.01))) as running:
        yield running


class Traffic:
    """Counts the requests for detections, and how many of them run at once."""

    def __init__(self, page: Page) -> None:
        self.urls: list[str] = []
        self.running = self.most_running = 0
        page.on("request", self.begin)
        page.on("requestfinished", self.end)
        page.on("requestfailed", self.end)

    def begin(self, request: Request) -> None:
        if "/detect?" in request.url:
            self.urls.append(request.url)
            self.running += 1
            self.most_running = max(self.most_running, self.running)

    def end(self, request: Request) -> None:
        self.running -= "/detect?" in request.url


def choose_to_compare(page: Page) -> None:
    """As a visitor does it with the keyboard."""
    menu = page.locator("summary", has_text="Compare")
    expect(menu).to_be_visible()  # after the first picture
    menu.focus()
    for key in ("Enter", "ArrowDown", "Enter"):
        page.keyboard.press(key)


def start_comparison(page: Page) -> None:
    choose_to_compare(page)
    expect(page.locator("#right-panel")).to_be_visible()


def counts(page: Page) -> dict[str, list[str]]:
    """The counts of each kind of difference: in this picture, in all."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    cells = [row.split("\t") for row in page.locator("#difference-counts tr").all_inner_texts()]
    return {name.strip("◀▶≠↔± "): numbers for name, *numbers in cells if set(numbers) != {"0"}}


def test_two_versions_are_compared_on_all_pictures(open_page: Opener, address: str) -> None:
    page = open_page(address=address)
    traffic = Traffic(page)
    page.set_input_files("#file", [payload(f"{number}.png", GOLDEN) for number in range(6)])
    start_comparison(page)
    expect(page.locator("#differences-short")).to_have_text("12 moved")
    assert counts(page) == {"moved": ["2", "12"]}
    expect(page.locator("#left-name")).to_contain_text("Left: tiny version 1 · onnx cpu")
    expect(page.locator("#right-name")).to_contain_text("Right: tiny version 2 · onnx cpu")
    assert sorted("version=2" in url for url in traffic.urls) == [False] * 6 + [True] * 6
    assert traffic.most_running <= AT_ONCE
    expect(page.locator("#difference-list button").first).to_contain_text("IoU 0.68")
    left, right = page.locator("#figure"), page.locator("#right-figure")
    left.focus()
    page.keyboard.press("+")
    expect(page.locator("#zoom-shown")).to_contain_text("%")
    expect(right).to_contain_class("zoomed")
    page.locator("#difference-list button").last.press("Enter")
    assert_accessible(page)
    page.locator("#end-comparison").press("Enter")
    expect(page.locator("#right-settings")).to_be_hidden()
    expect(page.locator("summary", has_text="Compare")).to_be_focused()
    start_comparison(page)
    for side in (left, right):
        expect(side).to_contain_class("zoomed")
    page.locator("#zoom-fit").click()
    for side in (left, right):
        expect(side).not_to_contain_class("zoomed")


def test_other_settings_of_one_model_need_no_second_request(open_page: Opener, address: str) -> None:
    page = open_page(address=address)
    page.set_input_files("#file", [payload("bright.png", GOLDEN), payload("dim.png", DIM)])
    expect(page.locator("#thumbs .count")).to_have_text(["2", "2"])
    start_comparison(page)
    expect(page.locator("#differences-short")).to_have_text("4 moved")
    traffic = Traffic(page)
    page.locator("#right-model").select_option("0")
    expect(page.locator("#right-model-note")).to_contain_text("same answers as left, only the settings differ")
    expect(page.locator("#differences-short")).to_have_text("4 same")
    put(page, "right-threshold", 0.9)
    expect(page.locator("#differences-short")).to_have_text("2 only left, 2 same")
    page.locator("#next-different").press("Enter")
    expect(page.locator("#status")).to_contain_text("in dim.png")
    assert counts(page) == {"only left": ["2", "2"], "same": ["0", "2"]}
    put(page, "threshold", 0.95)
    put(page, "right-threshold", 0.6)
    expect(page.locator("#differences-short")).to_have_text("2 only right, 2 same")
    page.evaluate(SEEK_AND_LEAVE)
    put(page, "right-threshold", 0.6)
    page.locator("#classes input").first.uncheck()
    expect(page.locator("#differences-short")).to_have_text("1 only right, 1 same")
    assert traffic.urls == []


def test_a_phone_swipes_between_the_sides(open_page: Opener, address: str) -> None:
    page = open_page(360, scheme="dark", address=address)
    page.set_input_files("#file", [payload("bright.png", GOLDEN), payload("dim.png", DIM)])
    start_comparison(page)
    expect(page.locator("#differences-short")).to_have_text("4 moved")
    left, right = (page.locator(selector).bounding_box() for selector in ("#figure", "#right-figure"))
    assert left == right
    divider = page.get_by_role("slider", name="Divider between left and right")
    expect(divider).to_have_attribute("aria-valuetext", "left 50 %, right 50 %")
    divider.focus()
    for key, value in (("ArrowLeft", "48"), ("PageUp", "58"), ("End", "100"), ("Home", "0")):
        page.keyboard.press(key)
        expect(divider).to_have_attribute("aria-valuenow", value)
    page.locator("[name=compare-way][value=side]").check(force=True)
    left, right = (page.locator(selector).bounding_box() for selector in ("#figure", "#right-figure"))
    assert left is not None
    assert right is not None
    assert right["y"] >= left["y"] + left["height"]  # below each other
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert_accessible(page)


def test_a_part_and_an_answer_that_are_refused_come_later(open_page: Opener, address: str) -> None:
    page = open_page(address=address)
    page.set_input_files("#file", [payload("bright.png", GOLDEN)])
    expect(page.locator("#rows tr")).to_have_count(2)
    page.route("**/compare/room.js", lambda route: route.abort())
    choose_to_compare(page)
    expect(page.locator("#part-trouble")).to_contain_text("The server does not answer")
    page.unroute("**/compare/room.js")
    refusals = iter([(503, {"Retry-After": "1", "Retry-After-Ms": "300"}), (500, {})])

    def refuse(route: Route) -> None:
        if refusal := next(refusals, None):
            status, headers = refusal
            route.fulfill(status=status, headers=headers, json={"status": status, "detail": "the server is busy"})
        else:
            route.continue_()

    page.route("**/detect?*version=2*", refuse)
    start_comparison(page)
    expect(page.locator("#pause-text")).to_contain_text("The server is busy")
    expect(page.locator("#right-name")).to_contain_text("The model failed on this picture")
    page.locator("#end-comparison").press("Enter")
    start_comparison(page)
    expect(page.locator("#differences-short")).to_have_text("2 moved")
    page.set_input_files("#file", [payload("no picture.png", b"none")])
    expect(page.locator("#problem-title")).to_contain_text("Not a picture")
    expect(page.locator("#right-figure")).to_be_hidden()
    page.locator("#previous").click()
    expect(page.locator("#right-figure")).to_be_visible()


def test_a_class_that_only_the_left_model_has_can_be_left_out(open_page: Opener, tmp_path: Path) -> None:
    first, second = write_tiny_bundle(tmp_path / "1"), write_tiny_bundle(tmp_path / "2", name="other")
    renamed = second.manifest.model_copy(update={"classes": ("crimson", "green")})
    (second.path / MANIFEST).write_text(renamed.model_dump_json())
    with live_server(create_app(settings(first.path, second.path))) as address:
        page = open_page(address=address)
        page.set_input_files("#file", [payload("bright.png", GOLDEN)])
        start_comparison(page)
        expect(page.locator("#differences-short")).to_have_text("1 other class, 1 same")
        page.locator("#classes input").first.uncheck()
        expect(page.locator("#differences-short")).to_have_text("1 only right, 1 same")


def test_work_that_is_left_when_the_comparison_ends_does_no_harm(open_page: Opener, address: str) -> None:
    page = open_page(address=address, is_loaded=False)
    page.add_init_script(HOLD_WORK)
    page.goto("")
    page.set_input_files("#file", [payload("bright.png", GOLDEN), payload("dim.png", DIM)])
    start_comparison(page)
    expect(page.locator("#differences-short")).to_have_text("2 moved")
    expect(page.locator("#differences-all")).to_have_text("1 of 2 pictures")
    page.locator("#end-comparison").press("Enter")
    page.evaluate(DO_WORK)
    expect(page.locator("#right-settings")).to_be_hidden()
