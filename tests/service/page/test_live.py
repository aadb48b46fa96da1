"""The live view: the pictures of a camera and of a video with their detections, as fast as the server answers."""

import io
import json
import re
import wave
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page, Route, expect

from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.visitor import put
from tests.tiny_bundle import golden_image

FRAMES, FRAMES_A_SECOND = 12, 10
DROP = """([name, bytes]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(bytes)], name, {type: "video/webm"}));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


def written(path: Path, num_frames: int) -> Path:
    """A video of the tiny model's golden image, which becomes dark after half of FRAMES."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), FRAMES_A_SECOND, (64, 64))
    for number in range(num_frames):
        brightness = 255 if number < FRAMES // 2 else 0
        writer.write(cv2.cvtColor(golden_image(brightness), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video whose objects vanish."""
    return written(tmp_path_factory.mktemp("videos") / "blocks.webm", FRAMES)


class Flights:
    """The frames that a page sends: how many, and how many at the same time."""

    def __init__(self, page: Page) -> None:
        self.count = self.now = self.most = 0
        page.on("request", lambda request: self.change(request.url, 1))
        for event in ("requestfinished", "requestfailed"):
            page.on(event, lambda request: self.change(request.url, -1))

    def change(self, url: str, step: int) -> None:
        if "detect" in url:
            self.count += max(step, 0)
            self.now += step
            self.most = max(self.most, self.now)


def open_live(page: Page) -> None:
    page.locator("#welcome .live-open").press("Enter")
    expect(page.locator("#live .numbers")).to_contain_text("detection")


def test_the_camera_is_answered_frame_by_frame(page: Page) -> None:
    flights = Flights(page)
    put(page, "threshold", 0.5)
    open_live(page)
    expect(page.locator("#live .numbers")).to_have_text(
        re.compile(r"^\d+\.\d frames/s · \d+ ms · [1-9]\d* detections?$")
    )
    expect(page.locator("#live .counts")).to_contain_text("green")
    assert flights.count >= 2
    assert flights.most == 1  # no frame waits behind another one
    page.locator("#live").get_by_role("button", name="Pause").click()
    expect(page.locator("#live").get_by_role("button", name="Play")).to_be_visible()
    with page.expect_response(re.compile("score_threshold=0.9")):  # the frame that is shown, with the new settings
        put(page, "threshold", 0.9)
    page.get_by_role("button", name="Take picture").click()
    expect(page.locator("#thumbs .thumb")).to_have_count(1)
    expect(page.locator("#live .live-notice")).to_have_text("live-1.jpg is among the pictures.")
    page.keyboard.press("Escape")
    expect(page.locator("#live")).to_be_hidden()
    expect(page.locator("#strip .live-open")).to_be_focused()
    assert page.evaluate("document.querySelector('#live video').srcObject") is None  # the camera's light is off
    expect(page.locator("#status")).to_contain_text("in live-1.jpg")


def test_a_busy_server_gets_the_next_frame_at_the_time_that_it_names(open_page: Opener) -> None:
    page = open_page(360, scheme="dark")
    refusals = iter([{"Retry-After": "1", "Retry-After-Ms": "800"}])

    def refuse_once(route: Route) -> None:
        assert 1000 <= int(route.request.headers["x-request-timeout-ms"]) <= 10_000
        if (headers := next(refusals, None)) is None:
            route.continue_()
        else:
            route.fulfill(status=503, headers=headers, json={"status": 503, "detail": "the server is busy"})

    page.route("**/detect?*", refuse_once)
    page.route("**/detect", refuse_once)
    page.locator("#welcome .live-open").click()
    expect(page.locator("#live .live-notice")).to_have_text(
        "The server cannot answer now. The next frame is sent in 0.8 s."
    )
    expect(page.locator("#live .numbers")).to_contain_text("frames/s")
    expect(page.locator("#live .live-notice")).to_be_empty()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.route("**/detect?*", lambda route: route.fulfill(body='{"results": ['))  # cut off, as by a server that stops
    expect(page.locator("#live .live-notice")).to_have_text(
        "The server does not answer. The next frame is sent in 3.0 s."
    )
    page.evaluate("document.querySelector('#live video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(page.locator("#live .live-notice")).to_contain_text("The camera is gone.")
    expect(page.locator("#live").get_by_role("button", name="Pause")).to_be_disabled()


def test_the_camera_goes_on_with_another_key_after_its_own_is_refused(page: Page) -> None:
    open_live(page)
    page.route(re.compile("/detect"), lambda route: route.fulfill(status=401, json={"detail": "a key is needed"}))
    expect(page.locator("#key")).to_be_focused()
    expect(page.locator("#live .live-notice")).to_have_text("Waiting for a key…")
    expect(page.locator("#live").get_by_role("button", name="Play")).to_be_visible()
    page.unroute(re.compile("/detect"))
    page.locator("#key").fill("another")
    with page.expect_request(lambda request: request.headers.get("x-api-key") == "another"):
        page.locator("#key").press("Enter")
    expect(page.locator("#live").get_by_role("button", name="Pause")).to_be_visible()
    expect(page.locator("#live .live-notice")).to_be_empty()
    expect(page.locator("#live").get_by_role("button", name="Close")).to_be_focused()


def test_a_video_is_answered_while_it_plays_and_frame_by_frame(page: Page, video: Path) -> None:
    live = page.locator("#live")
    page.evaluate(DROP, [video.name, list(video.read_bytes())])
    at_end = re.compile(r"^1\.\d\d of 1\.\d\d s$")
    expect(live.locator("output")).to_have_text(at_end)
    expect(live.get_by_role("button", name="Play")).to_be_visible()
    live.get_by_label("Every frame").check()
    with page.expect_response(re.compile("detect")):
        live.get_by_role("button", name="Play").click()
    expect(live.locator("output")).to_have_text(at_end)
    expect(live.get_by_role("button", name="Play")).to_be_visible()
    with page.expect_download() as download:
        live.get_by_role("button", name="Save as JSON").click()
    assert download.value.suggested_filename == "blocks.json"
    saved = json.loads(Path(download.value.path()).read_text())
    assert (saved["video"], saved["model"]) == ("blocks.webm", "tiny")
    counts = [len(frame["detections"]) for frame in saved["frames"]]
    assert len(counts) >= FRAMES - 1
    assert (counts[0], counts[-1]) == (2, 0)
    assert [found["label"] for found in saved["frames"][0]["detections"]] in (["red", "green"], ["green", "red"])
    live.get_by_label("Time").fill("0.25")
    expect(live.locator(".numbers")).to_contain_text("2 detections")
    live.get_by_role("button", name="Next frame").press("Enter")
    expect(live.locator("output")).to_contain_text(re.compile(r"^0\.[2-4]\d of"))
    live.get_by_label("Time").fill("1")
    expect(live.locator(".numbers")).to_contain_text("0 detections")
    assert_accessible(page, "#live")


def test_a_video_of_one_frame_is_answered_and_one_without_pictures_is_refused(page: Page, tmp_path: Path) -> None:
    live = page.locator("#live")
    page.evaluate(DROP, ["still.webm", list(written(tmp_path / "still.webm", 1).read_bytes())])
    expect(live.locator(".numbers")).to_contain_text("2 detections")
    sound = io.BytesIO()
    with wave.open(sound, "wb") as writer:
        writer.setparams((1, 2, 8000, 0, "NONE", ""))
        writer.writeframes(bytes(8000))
    page.evaluate(DROP, ["sound.webm", list(sound.getvalue())])
    expect(live.locator(".live-notice")).to_have_text("There are no pictures in sound.webm.")
    expect(live.get_by_role("button", name="Play")).to_be_disabled()


def test_a_page_without_https_says_what_a_camera_needs(open_page: Opener) -> None:
    page = open_page(is_loaded=False)
    page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page.goto("")
    page.locator("#welcome .live-open").press("Enter")
    notice = page.locator("#live .live-notice")
    expect(notice).to_contain_text("No camera: A browser gives the camera only to pages at https:// or localhost.")
    expect(page.locator("#live").get_by_role("button", name="Pause")).to_be_disabled()
    page.locator("#live").get_by_role("button", name="Close").press("Enter")
    expect(page.locator("#welcome .live-open")).to_be_focused()
