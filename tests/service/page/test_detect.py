"""The page, driven in headless Chromium as a visitor does it: pictures in, detections out."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from service.api.app import create_app
from tests.service.live_server import live_server
from tests.service.page.visitor import GOLDEN, SHADES, answered, choose, payload, put, shown
from tests.service.served_app import settings
from tests.tiny_bundle import png, write_tiny_bundle

KEY = "a-secret"
DROP = """([name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""
PASTE = """([name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "image/png"}));
    document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: transfer}));
}"""


@pytest.mark.parametrize("way", [DROP, PASTE])
def test_a_picture_that_is_dropped_or_pasted_gets_its_boxes(page: Page, way: str) -> None:
    page.evaluate(way, ["cells.png", list(GOLDEN)])
    expect(page.locator("#status")).to_have_text("2 detections in cells.png, 64 × 64")
    assert shown(page) == [("red", 1.0), ("green", 1.0)]


def test_the_sliders_rank_again_without_a_request_to_the_server(page: Page) -> None:
    choose(page, "shades.png", png(SHADES))
    expect(page.locator("#rows tr")).not_to_have_count(0)
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/page/" not in request.url else None)
    counts = []
    for threshold in (0.1, 0.6, 0.8):
        put(page, "threshold", threshold)
        counts.append(len(shown(page)))
    assert counts[0] > counts[1] > counts[2]
    put(page, "threshold", 0.05)
    put(page, "limit", 3)
    assert len(shown(page)) == 3
    assert requests == []


@pytest.mark.parametrize(
    ("method", "sliders", "query"),
    [
        ("gaussian", {"sigma": 0.1}, "nms=gaussian&sigma=0.1"),
        ("gaussian", {"sigma": 1.5, "limit": 7}, "nms=gaussian&sigma=1.5&max_detections=7"),
        ("linear", {"iou": 0.2}, "nms=linear&iou_threshold=0.2"),
        ("hard", {"iou": 0.1}, "nms=hard&iou_threshold=0.1"),
        ("none", {}, "nms=none"),
    ],
)
def test_the_page_shows_what_the_server_would_answer(
    page: Page, server: str, method: str, sliders: dict[str, float], query: str
) -> None:
    choose(page, "shades.png", png(SHADES))
    page.locator(f"input[value={method}]").check()
    for slider, value in {"threshold": 0.1, **sliders}.items():
        put(page, slider, value)
    expect(page.locator("#rows tr")).not_to_have_count(0)
    ours, theirs = shown(page), answered(server, f"score_threshold=0.1&{query}", png(SHADES))
    assert [label for label, _ in ours] == [label for label, _ in theirs]
    assert [score for _, score in ours] == pytest.approx([score for _, score in theirs], abs=0.002)
    curl = page.locator("#curl").inner_text()
    assert "score_threshold=0.1" in curl
    assert answered(server, curl.partition("?")[2].rstrip("'"), png(SHADES)) == theirs


def test_several_pictures_are_answered_and_a_file_that_is_no_picture_is_refused(page: Page) -> None:
    files = [("one.png", GOLDEN), ("notes.txt", b"hello"), ("two.png", GOLDEN)]
    page.set_input_files("#file", [payload(name, content) for name, content in files])
    expect(page.locator("#thumbs .count")).to_have_text(["2", "!", "2"])
    page.locator("#thumbs .thumb").nth(1).click()
    expect(page.locator("#problem")).to_contain_text("Not a picture. Not an image that this server reads")
    expect(page.locator("#retry")).to_be_hidden()
    page.locator("#clear").click()
    expect(page.locator("#welcome button").first).to_be_focused()


def test_a_class_can_be_left_out(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    page.locator("#classes input").first.uncheck()
    assert shown(page) == [("green", 1.0)]
    assert "classes=green" in page.locator("#curl").inner_text()


def test_a_picture_may_come_before_the_list_of_models(page: Page) -> None:
    held: list[Route] = []
    page.route("**/models", lambda route: held.append(route))
    with page.expect_request("**/models"):
        page.reload(wait_until="commit")
    choose(page, "cells.png", GOLDEN)
    held[0].continue_()
    expect(page.locator("#rows tr")).to_have_count(2)


def test_a_list_of_models_that_is_cut_off_is_told_and_asked_for_again(page: Page) -> None:
    page.clock.install()
    cut = iter(['{"models": ['])
    page.route("**/models", lambda route: route.fulfill(body=body) if (body := next(cut, "")) else route.continue_())
    page.reload()
    expect(page.locator("#model-note")).to_contain_text("The answer was cut off.")
    with page.expect_response("**/models"):
        page.clock.run_for(3000)
    expect(page.locator("#model option")).to_have_count(2)


def test_another_model_is_asked_again_and_the_curl_line_names_it(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    with page.expect_request(re.compile("detect.*model=other")):
        page.locator("#model").select_option(label="other")
    expect(page.locator("#curl")).to_contain_text("model=other")  # after the answer
    expect(page.locator("#rows tr")).to_have_count(2)


def test_the_time_of_each_stage_is_shown(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#time-stages dt")).to_have_text(["Decode", "Queue", "Infer", "Postprocess", "Network & rest"])
    expect(page.locator("#time-bar i")).to_have_count(5)


def test_a_models_example_is_one_click_away(page: Page) -> None:
    page.locator("#example-list button").click()
    expect(page.locator("#rows tr")).to_have_count(2)


def test_the_camera_takes_a_picture(page: Page) -> None:
    page.locator("#welcome .camera").click()
    page.locator("#camera-take").click()
    expect(page.locator("#status")).to_contain_text("in camera-1.jpg")


def test_a_busy_server_is_asked_again_at_the_time_that_it_names(page: Page) -> None:
    refusals = iter([{"Retry-After": "1", "Retry-After-Ms": "700"}])

    def refuse_once(route: Route) -> None:
        if (headers := next(refusals, None)) is None:
            route.continue_()
        else:
            route.fulfill(
                status=503, headers=headers, json={"status": 503, "detail": "the server is busy: 9 images wait"}
            )

    page.route("**/detect?*", refuse_once)
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#pause-text")).to_contain_text("The server is busy: 9 images wait.")
    expect(page.locator("#countdown")).to_have_text("Trying again in 1 s")
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#pause-text")).to_be_empty()


def test_a_server_that_does_not_answer_is_reported_and_can_be_asked_again(page: Page) -> None:
    page.route("**/detect?*", lambda route: route.abort())
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#pause-text")).to_have_text("The server does not answer; 1 picture waits.")
    page.unroute("**/detect?*")
    page.locator("#try-now").press("Enter")
    expect(page.locator("#rows tr")).to_have_count(2)


def test_a_key_is_asked_for_and_sent(browser: Browser, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(f"alice {KEY}\n")
    bundle = write_tiny_bundle(tmp_path / "tiny")
    with live_server(create_app(settings(bundle.path, api_keys_file=keys))) as address:
        page = browser.new_page()
        page.goto(f"http://{address}/")
        expect(page.locator("#key")).to_be_focused()
        expect(page.locator("#model-note")).to_have_text("Waiting for a key…")
        expect(page.locator("#settings")).to_be_hidden()
        expect(page.locator("#models-open")).to_be_hidden()
        page.locator("#key").fill("wrong")
        page.locator("#key").press("Enter")
        expect(page.locator("#key-trouble")).to_have_text("The server does not know that key.")
        page.locator("#key").fill(KEY)
        page.locator("#key").press("Enter")
        expect(page.locator("#pictures")).to_be_focused()
        choose(page, "cells.png", GOLDEN)
        expect(page.locator("#rows tr")).to_have_count(2)
        expect(page.locator("#curl")).to_contain_text('-H "X-API-Key: $API_KEY"')
        page.close()


def test_a_phone_shows_the_whole_width_without_sideways_scrolling(browser: Browser, server: str) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    page.goto(f"http://{server}/")
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    table = page.locator("#found .scroll")
    assert table.evaluate("({scrollWidth, clientWidth}) => scrollWidth - clientWidth") == 0
    page.close()
