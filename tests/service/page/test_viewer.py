"""The view of a picture: its zoom, what moves it, its boxes and its minimap."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from service.detection.tiles import views_of
from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.visitor import GOLDEN, answered, choose, shown
from tests.tiny_bundle import golden_image, png

ORANGE = (230, 159, 0)  # the colour of the first class
NUM_VIEWS = """async (cases) => {
    const { numViews } = await import(new URL("page/detections/tiles.js", document.baseURI));
    return cases.map(([image, tile]) => numViews(image, tile));
}"""


def test_wheel_drag_double_click_keys_and_minimap_move_the_view(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    frame = frame_of(page)
    page.mouse.move(frame["left"] + 300, frame["top"] + 200)
    page.mouse.wheel(0, -100)
    expect(page.locator("#wheel-hint")).to_be_visible()
    expect(page.locator("#zoom-fit")).to_have_attribute("aria-pressed", "true")  # the page scrolls

    page.locator("#figure").press("+")
    settle(page)
    before = under(page, 300, 200)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    settle(page)
    assert under(page, 300, 200) == pytest.approx(before, abs=0.1)
    assert picture_of(page)["scale"] > 20
    expect(page.locator(".minimap")).to_be_visible()

    page.mouse.down()
    page.mouse.move(frame["left"] + 250, frame["top"] + 180, steps=3)
    page.mouse.up()
    settle(page)
    assert under(page, 250, 180) == pytest.approx(before, abs=0.1)

    page.locator(".minimap").click(position={"x": 1, "y": 1})
    settle(page)
    assert under(page, 0, 0) == pytest.approx([0, 0], abs=0.1)
    page.locator(".minimap").press("ArrowRight")
    settle(page)
    assert under(page, 0, 0)[0] > 1

    page.locator("#figure").press("1")
    expect(page.locator("#zoom-shown")).to_have_text("100 %")
    expect(page.locator(".minimap")).to_be_hidden()  # a picture of 64 pixels is seen whole
    page.keyboard.press("+")
    expect(page.locator("#zoom-shown")).to_have_text("150 %")
    page.keyboard.press("0")
    expect(page.locator("#zoom-fit")).to_have_attribute("aria-pressed", "true")
    page.mouse.dblclick(frame["left"] + 300, frame["top"] + 200)
    expect(page.locator(".minimap")).to_be_visible()
    page.locator("#zoom-fit").click()
    expect(page.locator("#zoom-fit")).to_have_attribute("aria-pressed", "true")


def test_boxes_are_equally_thin_at_each_zoom(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    for _ in range(2):
        settle(page)
        left, top = over(page, 24, 32)  # the middle of the lower edge of the red block
        column = seen(page, left, top - 6, 1, 12)[:, 0]
        assert (column == ORANGE).all(axis=1).sum() == 2
        page.locator("#figure").focus()
        page.keyboard.press("+")
        expect(page.locator("#zoom-fit")).to_have_attribute("aria-pressed", "false")


def test_keys_step_through_the_detections_and_say_which_one_it_is(page: Page) -> None:
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    voice = page.locator("#figure + [role=status]")
    page.locator("#figure").press("n")
    expect(voice).to_have_text("1 of 2: red, 100 %, at 16, 16, 16 × 16 pixels")
    expect(page.locator("#rows tr").first).to_have_class("hot")
    page.locator("#figure").press("p")
    expect(voice).to_have_text("2 of 2: green, 100 %, at 40, 40, 16 × 16 pixels")
    page.locator("#figure").press("Escape")
    expect(page.locator("#rows .hot")).to_have_count(0)
    for key in ("+", "+", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown"):
        page.locator("#figure").press(key)
        settle(page)
    assert under(page, 0, 0)[1] > 16
    page.locator("#rows tr").first.click()
    settle(page)
    assert under(page, frame_of(page)["width"] / 2, frame_of(page)["height"] / 2) == pytest.approx([24, 24], abs=1)
    assert_accessible(page, "#work")


def test_a_large_picture_is_sharp_if_zoomed(page: Page) -> None:
    image = np.zeros((2000, 2200, 3), np.uint8)
    image[::2, 1::2] = image[1::2, ::2] = 255  # a chessboard, which is grey if it is not sharp
    choose(page, "large.png", png(image))
    expect(page.locator("#status")).to_contain_text("2200 × 2000")
    page.locator("#figure").press("+")
    expect(page.locator(".detail")).to_be_visible()
    for _ in range(9):
        page.keyboard.press("+")
    settle(page)
    corner = over(page, 1100, 1000)
    square = seen(page, corner[0] + 2, corner[1] + 2, 12, 12)
    assert square.min() == square.max()
    assert seen(page, corner[0] + 18, corner[1] + 2, 12, 12).max() == 255 - square.max()


def test_the_page_offers_tiles_and_then_shows_what_the_server_would_answer(page: Page, server: str) -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[32:64, 32:64, 0] = image[200:232, 300:332, 1] = 255  # too small for the model, but not in tiles
    choose(page, "wide.png", png(image))
    expect(page.locator("#tile-hint-text")).to_contain_text("400 × 300 pixels, and the model sees it at 64 × 64")
    assert shown(page) == []
    page.locator("#use-tiles").click()
    expect(page.locator("#tile-hint")).to_be_hidden()
    expect(page.locator("#figure")).to_be_focused()
    expect(page.locator("#rows tr")).not_to_have_count(0)
    expect(page.locator("#tile-note")).to_contain_text("The model runs 13 times for this picture")
    expect(page.locator("#run-note")).to_contain_text("13 views of the picture")
    assert {label for label, _ in shown(page)} == {"red", "green"}
    assert shown(page) == answered(server, "tile=auto", png(image))
    expect(page.locator("#curl")).to_contain_text("tile=auto")
    with page.expect_request(lambda request: "detect?" in request.url and "tile" not in request.url):
        page.locator("#settings [type=reset]").click()
    expect(page.locator("#tile-hint")).to_be_visible()


def test_pictures_that_a_camera_held_sideways_has_taken_agree_with_their_boxes(page: Page) -> None:
    upright = np.concatenate([golden_image(), np.zeros((64, 32, 3), np.uint8)], axis=1)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # show it turned clockwise
    Image.fromarray(np.rot90(upright)).save(file, "JPEG", quality=95, subsampling=0, exif=exif)
    choose(page, "sideways.jpg", file.getvalue())
    expect(page.locator("#status")).to_contain_text("96 × 64")
    assert page.locator("#figure > img").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [96, 64]


def test_a_picture_that_the_browser_cannot_show_has_its_boxes(page: Page) -> None:
    found = {"label": "red", "class_id": 0, "score": 1.0, "box": {"x1": 16, "y1": 16, "x2": 32, "y2": 32}}
    answer = {"results": [{"width": 64, "height": 64, "detections": [found]}]}
    page.route("**/detect?*", lambda route: route.fulfill(json=answer))
    choose(page, "cells.tif", b"II*\0 and pixels")
    expect(page.locator(".view-note")).to_have_text(
        "This browser cannot show the picture. The server can read it, and its boxes are here."
    )
    settle(page)
    left, top = over(page, 24, 32)
    assert (seen(page, left, top - 3, 1, 6) == ORANGE).all(axis=2).any()


def test_an_animated_picture_shows_the_frame_in_which_the_server_has_detected(page: Page) -> None:
    first, second = Image.fromarray(golden_image()), Image.new("RGB", (64, 64), "blue")
    animation = io.BytesIO()
    first.save(animation, "GIF", save_all=True, append_images=[second], duration=[20, 60_000], loop=0)
    page.set_input_files("#file", {"name": "cells.gif", "mimeType": "image/gif", "buffer": animation.getvalue()})
    expect(page.locator("#rows tr")).to_have_count(2)
    expect(page.locator("#figure .detail")).to_be_visible()
    left, top = over(page, 24, 24)
    red, _, blue = seen(page, left, top, 1, 1)[0, 0]
    assert red > 200 > 50 > blue


@pytest.mark.parametrize("width", [1280, 360])
def test_a_very_wide_or_tall_picture_with_a_long_name_does_not_widen_the_page(open_page: Opener, width: int) -> None:
    page = open_page(width)
    for shape in ((1, 2000, 3), (2000, 1, 3)):
        choose(page, f"{'x' * 200}.png", png(np.zeros(shape, np.uint8)))
        expect(page.locator("#status")).to_contain_text(f"{shape[1]} × {shape[0]}")
        page.locator("#figure").press("1")
        page.locator("#figure").press("+")
        minimap = page.locator(".minimap")
        expect(minimap).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        inner, outer = minimap.bounding_box(), page.locator("#figure").bounding_box()
        assert inner is not None
        assert outer is not None
        assert min(inner["width"], inner["height"]) > 5
        assert outer["y"] < inner["y"] < inner["y"] + inner["height"] < outer["y"] + outer["height"]


def test_two_fingers_zoom_and_a_double_tap_shows_the_whole_picture(open_page: Opener) -> None:
    page = open_page(360)
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    page.locator("#figure").scroll_into_view_if_needed()
    frame = frame_of(page)
    middle = (frame["left"] + frame["width"] / 2, frame["top"] + frame["height"] / 2)
    touch = toucher(page)
    touch("touchStart", (middle[0] - 20, middle[1]), (middle[0] + 20, middle[1]))
    for step in range(1, 5):
        touch("touchMove", (middle[0] - 20 - 10 * step, middle[1]), (middle[0] + 20 + 10 * step, middle[1]))
    touch("touchEnd")
    expect(page.locator(".minimap")).to_be_visible()
    settle(page)
    assert under(page, frame["width"] / 2, frame["height"] / 2) == pytest.approx([32, 32], abs=0.5)
    for seconds in (100, 100.2):
        touch("touchStart", middle, seconds=seconds)
        touch("touchEnd", seconds=seconds + 0.05)
    expect(page.locator("#zoom-fit")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_the_page_counts_the_views_of_a_picture_as_the_server_makes_them(page: Page) -> None:
    random = np.random.default_rng(0)
    cases = [[random.integers(1, 3000, 2).tolist(), random.integers(60, 900, 2).tolist()] for _ in range(50)]
    sizes = [[{"width": width, "height": height} for height, width in case] for case in cases]
    expected = [len(views_of(tuple(image), tuple(tile))) for image, tile in cases]
    assert page.evaluate(NUM_VIEWS, sizes) == expected


def frame_of(page: Page) -> dict[str, float]:
    """The inside of the view's border, in the window's pixels."""
    box = page.locator("#figure").bounding_box()
    assert box is not None
    return {"left": box["x"] + 1, "top": box["y"] + 1, "width": box["width"] - 2, "height": box["height"] - 2}


def picture_of(page: Page) -> dict[str, float]:
    """Where the picture of 64 × 64 pixels is in the frame, and its scale."""
    picture = page.locator("#figure > img").evaluate(
        "image => { const { left, top, width } = image.getBoundingClientRect(); return { left, top, width }; }"
    )
    frame = frame_of(page)
    size = page.locator("#figure > img").evaluate("image => image.naturalWidth || 64")
    return {
        "left": picture["left"] - frame["left"],
        "top": picture["top"] - frame["top"],
        "scale": picture["width"] / size,
    }


def under(page: Page, left: float, top: float) -> list[float]:
    """The point of the picture that is at a point of the frame."""
    picture = picture_of(page)
    return [(left - picture["left"]) / picture["scale"], (top - picture["top"]) / picture["scale"]]


def over(page: Page, x: float, y: float) -> list[float]:
    """The point of the frame at which a point of the picture is."""
    picture = picture_of(page)
    return [picture["left"] + x * picture["scale"], picture["top"] + y * picture["scale"]]


def seen(page: Page, left: float, top: float, width: int, height: int) -> NDArray[np.uint8]:
    """What the window shows in a part of the frame -> [height, width, 3]."""
    frame = frame_of(page)
    x, y = round(frame["left"] + left), round(frame["top"] + top)
    shot = page.screenshot(clip={"x": x, "y": y, "width": width, "height": height})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"))


def zoom(page: Page) -> str:
    return page.locator("#zoom-shown").inner_text()


def settle(page: Page) -> None:
    """Wait until the view is where it goes."""
    page.evaluate("""async () => {
        const style = () => document.querySelector("#figure > img").style.transform;
        for (let before = null, still = 0; still < 3; before = style()) {
            await new Promise(requestAnimationFrame);
            still = style() === before ? still + 1 : 0;
        }
    }""")


def toucher(page: Page) -> Callable[..., None]:
    """A function (kind, *points, seconds=time) that touches the screen at the points at once."""
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float], seconds: float | None = None) -> None:
        fingers: list[dict[str, Any]] = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(points)]
        time = {} if seconds is None else {"timestamp": seconds}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers, **time})

    return touch
