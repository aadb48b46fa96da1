"""Many pictures at once: their progress, their order, their table, and a server that is busy or away meanwhile."""

import re
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import FilePayload, Page, Route, expect

from tests.service.page.accessibility import assert_accessible
from tests.service.page.network import no_network
from tests.service.page.opening import Opener
from tests.service.page.returning_server import ReturningServer
from tests.service.page.visitor import GOLDEN, SHADES, choose, payload, put
from tests.tiny_bundle import golden_image, png

BLACK = png(np.zeros((64, 64, 3), np.uint8))  # no detections
DIM = png(golden_image(200))  # its two detections have the score 200 / 255
# a folder with a picture, and with a folder and a picture that cannot be read
DROP_UNREADABLE = """(bytes) => {
    const refuse = (_, reject) => reject(new DOMException("it is gone", "NotFoundError"));
    const folder = (name, ...reads) => {
        const readEntries = (resolve, reject) => reads.shift()(resolve, reject);
        return { name, isDirectory: true, createReader: () => ({ readEntries }) };
    };
    const picture = new File([new Uint8Array(bytes)], "here.png", { type: "image/png" });
    const entries = [
        folder("away", refuse),
        { name: "gone.png", isFile: true, file: refuse },
        { name: picture.name, isFile: true, file: (resolve) => resolve(picture) },
    ];
    const dropped = folder("slides", (resolve) => resolve(entries), (resolve) => resolve([]));
    const event = new Event("drop", { bubbles: true, cancelable: true });
    event.dataTransfer = { items: [{ webkitGetAsEntry: () => dropped }], files: [] };
    document.body.dispatchEvent(event);
}"""


def pictures(number: int) -> list[FilePayload]:
    return [payload(f"cells-{index}.png", GOLDEN) for index in range(1, number + 1)]


def names_in(page: Page) -> list[str]:
    """The names of the pictures in the strip, in its order."""
    return [
        title.partition(":")[0] for title in page.locator("#thumbs .thumb").evaluate_all("all => all.map(b => b.title)")
    ]


def expect_shown(page: Page, name: str) -> None:
    expect(page.locator("#thumbs .thumb[aria-current=true]")).to_have_attribute("title", f"{name}: 2 detections")


def test_sixty_pictures_are_counted_walked_through_removed_and_brought_back(page: Page) -> None:
    page.set_input_files("#file", [*pictures(59), payload("notes.png", b"hello")])
    expect(page.locator("#progress")).to_have_attribute("max", "60")
    expect(page.locator("#progress-text")).to_have_text("60 pictures, 118 detections, 1 failed")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#retry-failed")).to_be_hidden()  # it would fail again
    expect(page.locator("#classes output")).to_have_text(["1 / 59", "1 / 59"])
    page.keyboard.press("ArrowRight")
    page.locator("#next").click()
    expect_shown(page, "cells-3.png")
    page.locator("#thumbs .thumb[aria-current=true]").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect_shown(page, "cells-59.png")
    expect(page.locator("#thumbs .thumb[aria-current=true]")).to_be_focused()
    page.keyboard.press("Delete")
    page.keyboard.press("Delete")
    expect_shown(page, "cells-58.png")
    expect(page.locator("#thumbs .thumb[aria-current=true]")).to_be_focused()
    expect(page.locator("#notice-text")).to_have_text("2 pictures removed.")
    expect(page.locator("#progress-text")).to_have_text("58 pictures, 116 detections")
    page.locator("#undo").press("Enter")
    expect_shown(page, "cells-59.png")
    assert names_in(page) == [*(f"cells-{index}.png" for index in range(1, 60)), "notes.png"]
    page.locator("#clear").click()
    expect(page.locator("#notice-text")).to_have_text("60 pictures cleared.")
    expect(page.locator("#welcome button").first).to_be_focused()
    page.locator("#undo").click()
    expect(page.locator("#thumbs li")).to_have_count(60)
    expect_shown(page, "cells-59.png")
    expect(page.locator("#figure img").first).to_have_js_property("naturalWidth", 64)
    expect(page.locator("#undo")).to_be_hidden()


def test_requests_of_cleared_pictures_end_and_begin_again_when_they_are_brought_back(page: Page) -> None:
    held: list[Route] = []
    page.route("**/detect?*", lambda route: held.append(route))
    page.set_input_files("#file", pictures(5))
    expect(page.locator("#progress-text")).to_have_text("0 of 5")
    with page.expect_event("requestfailed"):
        page.locator("#clear").click()
    page.unroute("**/detect?*")
    page.locator("#undo").click()
    expect(page.locator("#progress-text")).to_have_text("5 pictures, 10 detections")
    page.locator("#thumbs .remove").first.click()
    choose(page, "more.png", GOLDEN)
    expect(page.locator("#undo")).to_be_hidden()  # the next action makes the removal final
    expect(page.locator("#thumbs li")).to_have_count(5)


def test_the_strip_is_sorted_when_all_pictures_are_answered(page: Page) -> None:
    held: list[Route] = []
    page.route("**/detect?*", lambda route: held.append(route) if len(held) == 0 else route.continue_())
    files = [("dim", DIM), ("none", BLACK), ("clear", GOLDEN), ("many", png(SHADES))]
    page.set_input_files("#file", [payload(f"{name}.png", content) for name, content in files])
    page.locator("#order").select_option(label="Most found")
    expect(page.locator("#progress-text")).to_have_text("3 of 4")
    assert sorted(names_in(page)) == sorted(f"{name}.png" for name, _ in files)
    held[0].continue_()
    expect(page.locator("#progress-text")).to_contain_text("4 pictures")
    expect(page.locator("#thumbs .thumb").first).to_have_attribute("title", "many.png: 10 detections")
    assert names_in(page) == ["many.png", "dim.png", "clear.png", "none.png"]
    page.locator("#order").select_option(label="Lowest score")
    expect(page.locator("#thumbs .thumb").last).to_have_attribute("title", "none.png: 0 detections")
    assert names_in(page) == ["many.png", "dim.png", "clear.png", "none.png"]
    put(page, "threshold", 0.9)  # also for the pictures that are not shown
    expect(page.locator("#progress-text")).to_have_text("4 pictures, 6 detections")
    expect(page.locator("#classes output")).to_have_text(["0 / 5", "0 / 1"])


@pytest.mark.parametrize("width", [1280, 360])
def test_the_table_lists_all_pictures_and_opens_one(open_page: Opener, width: int) -> None:
    page = open_page(width, scheme="dark" if width == 360 else "light")
    files = [("b.png", GOLDEN), ("c.png", BLACK), ("a.png", DIM), ("notes.png", b"hello")]
    page.set_input_files("#file", [payload(name, content) for name, content in files])
    page.route("**/table.js", lambda route: route.abort())  # the server is gone at the first click
    page.locator("#show-all").click()
    expect(page.locator("#part-trouble")).to_contain_text("Try again when it is back.")
    expect(page.locator("#show-all")).to_have_attribute("aria-expanded", "false")
    page.unroute("**/table.js")
    page.locator("#show-all").click()
    expect(page.locator("#part-trouble")).to_be_hidden()
    expect(page.locator("#show-all")).to_have_attribute("aria-expanded", "true")
    names = page.locator("#all-rows button")
    expect(names).to_have_text(["b.png", "c.png", "a.png", "notes.png"])
    expect(page.locator("#all-rows tr").first).to_contain_text("done")
    expect(page.locator("#all-total td").nth(2)).to_have_text("4")
    page.locator("#all-head button", has_text="Name").click()
    expect(names).to_have_text(["a.png", "b.png", "c.png", "notes.png"])
    expect(page.locator("#all-head [aria-sort=ascending]")).to_have_text("Name")
    page.locator("#all-head button", has_text="Lowest").press("Enter")
    expect(names).to_have_text(["a.png", "b.png", "c.png", "notes.png"])  # those without a score are last
    page.locator("#all-head button", has_text="Lowest").press("Enter")
    expect(names).to_have_text(["b.png", "a.png", "c.png", "notes.png"])
    expect(page.locator("#all-head [aria-sort=descending]")).to_have_text("Lowest")
    names.nth(1).click()
    expect_shown(page, "a.png")
    page.keyboard.press("ArrowUp")
    expect_shown(page, "b.png")
    expect(names.first).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert_accessible(page)


def test_pictures_wait_for_a_server_that_is_away_and_go_on_by_themselves(
    open_page: Opener, returning_server: ReturningServer
) -> None:
    page = open_page(address=returning_server.address)
    page.clock.install()
    returning_server.stop()
    page.set_input_files("#file", pictures(14))
    expect(page.locator("#pause-text")).to_have_text("The server does not answer; 14 pictures wait.")
    expect(page.locator("#problem")).to_be_hidden()
    for _ in range(6):  # more often than a picture may be the cause of no answer
        with page.expect_event("requestfailed"):
            page.locator("#try-now").click()
        expect(page.locator("#countdown")).to_contain_text("Trying again in")
    assert_accessible(page)
    returning_server.start()
    page.clock.fast_forward(16_000)
    expect(page.locator("#progress-text")).to_have_text("14 pictures, 28 detections")
    expect(page.locator("#pause-text")).to_be_empty()
    expect(page.locator("#try-now")).to_be_hidden()


def test_a_busy_server_gets_one_picture_at_the_time_that_it_names(page: Page) -> None:
    refusals = count(1)
    is_open = False

    def refuse_some(route: Route) -> None:
        if is_open:
            route.continue_()
        elif (number := next(refusals)) <= 4:
            seconds = 30 if number <= 3 else 60  # three pictures are sent at once
            headers = {"Retry-After": f"{seconds}", "Retry-After-Ms": f"{1000 * seconds}"}
            route.fulfill(status=503, headers=headers, json={"detail": "the server is busy: 9 images wait"})
        else:
            held.append(route)

    held: list[Route] = []
    page.route("**/detect?*", refuse_some)
    page.set_input_files("#file", pictures(14))
    expect(page.locator("#pause-text")).to_have_text(
        "The server is busy; 14 pictures wait. The server is busy: 9 images wait."
    )
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^Trying again in (30|[12]\d) s$"))
    page.locator("#try-now").click()  # the server refuses once more
    expect(page.locator("#countdown")).to_have_text(re.compile(r"^Trying again in (60|[345]\d) s$"))
    with page.expect_request("**/detect?*"):
        page.locator("#try-now").press("Enter")
    expect(page.locator("#pause-text")).to_be_empty()
    expect(page.locator("#thumbs .thumb[aria-current=true]")).to_be_focused()
    expect(page.locator("#thumbs .thumb[title$='in progress']")).to_have_count(1)
    is_open = True
    held[0].continue_()
    expect(page.locator("#progress-text")).to_have_text("14 pictures, 28 detections")


def test_a_picture_at_which_the_connection_breaks_each_time_fails_alone(page: Page) -> None:
    page.clock.install()
    page.route(
        "**/detect?*", lambda route: route.abort() if route.request.post_data_buffer == DIM else route.continue_()
    )
    page.set_input_files("#file", [payload("one.png", GOLDEN), payload("bad.png", DIM), payload("two.png", GOLDEN)])
    progress = page.locator("#progress-text")
    for _ in range(1000):  # it tries five times, and waits longer each time
        if "failed" in progress.inner_text():
            break
        page.clock.fast_forward(15_000)
    expect(progress).to_have_text("3 pictures, 4 detections, 1 failed")
    page.unroute("**/detect?*")
    page.locator("#retry-failed").click()
    expect(page.locator("#progress-text")).to_have_text("3 pictures, 6 detections")


def test_a_device_without_a_network_says_so_and_goes_on_with_it(page: Page) -> None:
    with no_network(page):
        page.set_input_files("#file", pictures(2))
        expect(page.locator("#pause-text")).to_have_text("This device is offline; 2 pictures wait.")
    expect(page.locator("#progress-text")).to_have_text("2 pictures, 4 detections")


def test_a_file_that_is_gone_is_the_only_one_that_fails(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    path.write_bytes(GOLDEN)

    def lose(route: Route) -> None:
        path.unlink()
        route.abort()

    page.route("**/detect?*", lose)
    page.set_input_files("#file", path)
    expect(page.locator("#problem")).to_contain_text("The file cannot be read. It was moved or changed")
    expect(page.locator("#retry")).to_be_hidden()


def test_the_pictures_in_dropped_folders_are_added_and_other_files_are_named(page: Page, tmp_path: Path) -> None:
    folder = tmp_path / "slides"
    (folder / "deep" / "deeper").mkdir(parents=True)
    for name in ("10.png", "9.png", "deep/deeper/11.png"):
        (folder / name).write_bytes(GOLDEN)
    for name in ("notes.pdf", ".hidden.png"):
        (folder / name).write_bytes(b"hello")
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        drag = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 400, "y": 300, "data": drag})
    expect(page.locator("#notice-text")).to_have_text("1 file is not a picture and was left out: notes.pdf.")
    expect(page.locator("#thumbs .count")).to_have_text(["2", "2", "2"])
    assert names_in(page) == ["9.png", "10.png", "11.png"]
    page.locator("#dismiss").click()
    expect(page.locator("#notice-text")).to_be_empty()
    expect(page.locator("#thumbs .thumb[aria-current=true]")).to_be_focused()
    page.evaluate(DROP_UNREADABLE, list(GOLDEN))
    expect(page.locator("#thumbs li")).to_have_count(4)
    expect(page.locator("#notice-text")).to_contain_text("left out: away, gone.png.")


def test_of_many_pictures_only_those_in_view_are_decoded_and_answers_move_none(page: Page) -> None:
    held: list[Route] = []
    page.route("**/detect?*", lambda route: held.append(route) if len(held) < 3 else route.abort())
    page.set_input_files("#file", pictures(300))
    expect(page.locator("#thumbs li")).to_have_count(300)
    expect(page.locator("#thumbs canvas").first).to_have_attribute("width", "200")
    page.evaluate(
        "new MutationObserver((changes) => (window.moved = changes.length)).observe(thumbs, {childList: true})"
    )
    held[0].continue_()
    expect(page.locator("#thumbs .count").first).to_have_text("2")
    assert page.evaluate("window.moved") is None
    assert page.locator("#thumbs canvas[width='200']").count() < 60
    page.locator("#thumbs .thumb").first.press("End")
    expect(page.locator("#thumbs canvas").last).to_have_attribute("width", "200")
