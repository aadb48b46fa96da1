"""The visitor takes the results away: as files in each form, as one archive, and by the clipboard."""

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, Route, expect

from service.api.schemas import DetectResponse
from service.bundle import read_bundle
from service.detect.outputs.coco import write_coco
from service.detect.outputs.csv_table import write_csv
from service.detection.annotate import COLOURS
from tests.service.page.accessibility import assert_accessible
from tests.service.page.network import no_network
from tests.service.page.opening import Opener
from tests.service.page.visitor import GOLDEN, SHADES, choose, payload, put
from tests.tiny_bundle import golden_image, png

ORIENTATION = 0x0112  # EXIF's tag
TURNED_RIGHT = 6
HOLD = """() => {
    const decode = window.createImageBitmap;
    window.createImageBitmap = async (file) => {
        await new Promise((resolve) => (window.letGo = resolve));
        window.createImageBitmap = decode;
        return decode(file);
    };
}"""
DRAW = """async (size) => {
    const { draw } = await import(new URL("page/take_away/drawing.js", document.baseURI));
    return draw(new Blob(), { ...size, detections: [] }, true).catch(({ message }) => message);
}"""
ADD_TO_ZIP = """async (size) => {
    const { ZipArchive } = await import(new URL("page/take_away/zip.js", document.baseURI));
    return new ZipArchive().add("a", { size }).catch(({ message }) => message);
}"""
NAMES = """async (names) => {
    const { distinct, safe } = await import(new URL("page/take_away/names.js", document.baseURI));
    return distinct(names.map(safe));
}"""


def saved(page: Page, form: str, menu: str = "save") -> tuple[str, bytes]:
    """Choose a form from a menu -> the name and the content of the file that the browser saves."""
    page.locator(f"#{menu} summary").click()
    with page.expect_download() as started:
        page.locator(f"#{menu} [data-form={form}]").click()
    expect(page.locator("#taking-text")).to_contain_text(f"Saved {started.value.suggested_filename}")
    return started.value.suggested_filename, started.value.path().read_bytes()


def asked(server: str, name: str, content: bytes, **query: Any) -> dict[str, Any]:
    """The server's own answer to a picture with a name."""
    answer = httpx.post(f"http://{server}/detect", params=query, files={"image": (name, content)})
    return dict(answer.raise_for_status().json())


def test_the_json_is_an_answer_of_the_server_and_can_be_saved_without_it(page: Page, server: str) -> None:
    choose(page, "shades.png", png(SHADES))
    page.locator("input[value=linear]").check()
    put(page, "iou", 0.2)
    put(page, "threshold", 0.1)
    put(page, "limit", 12)
    expect(page.locator("#rows tr")).to_have_count(12)
    page.wait_for_load_state("networkidle")
    with no_network(page):
        name, content = saved(page, "json")
    assert name == "shades.detections.json"
    answer = json.loads(content)
    settings = answer.pop("settings")
    used = {"score_threshold": 0.1, "nms": "linear", "iou_threshold": 0.2, "max_detections": 12}
    assert settings == {**used, "classes": ["red", "green"]}
    DetectResponse.model_validate(answer, strict=True)
    expected = asked(server, "shades.png", png(SHADES), **settings)
    (ours,), (theirs,) = answer.pop("results"), expected.pop("results")
    assert answer == expected
    for found, wanted in zip(ours.pop("detections"), theirs.pop("detections"), strict=True):
        assert found.pop("score") == pytest.approx(wanted.pop("score"), abs=2e-6)  # decayed in 64 bits, and in 32
        assert found == wanted
    assert ours == theirs


def test_csv_and_coco_are_those_of_the_command(page: Page, server: str, bundles: list[str]) -> None:
    name = '=SUM(1,2) "a".png'
    choose(page, name, GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    manifest = read_bundle(Path(bundles[0])).manifest
    (result,) = asked(server, name, GOLDEN)["results"]
    table = io.BytesIO()
    write_csv([{"name": name, **result}], manifest, table)
    file_name, content = saved(page, "csv")
    assert file_name.endswith(".detections.csv")
    assert content == table.getvalue()

    choose(page, "000139.png", GOLDEN)
    expect(page.locator("#status")).to_contain_text("2 detections in 000139.png")
    results = io.BytesIO()
    write_coco([{"name": "000139.png", **result}], manifest, results)
    file_name, content = saved(page, "coco")
    assert file_name == "000139.coco.json"
    coco = json.loads(content)
    assert coco["images"] == [{"id": 139, "file_name": "000139.png", "width": 64, "height": 64}]
    assert coco["categories"] == [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}]
    added = ("id", "area", "iscrowd")
    bare = [{key: value for key, value in found.items() if key not in added} for found in coco["annotations"]]
    assert bare == json.loads(results.getvalue())
    assert [(found["id"], found["area"], found["iscrowd"]) for found in coco["annotations"]] == [
        (1, 256, 0),
        (2, 256, 0),
    ]


def test_pycocotools_evaluates_the_coco_file(page: Page, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    evaluation = pytest.importorskip("pycocotools.cocoeval")
    page.set_input_files("#file", [payload(name, GOLDEN) for name in ("one.png", "two.png")])
    expect(page.locator("#thumbs .count")).to_have_text(["2", "2"])
    _, content = saved(page, "coco", menu="save-all")
    (tmp_path / "coco.json").write_bytes(content)
    truth = coco.COCO(tmp_path / "coco.json")
    found = truth.loadRes(json.loads(content)["annotations"])
    result = evaluation.COCOeval(truth, found, "bbox")
    result.evaluate()
    result.accumulate()
    result.summarize()
    assert result.stats[0] == 1


def test_the_drawn_picture_has_its_full_size_and_the_boxes_of_the_page(page: Page) -> None:
    upright = Image.fromarray(golden_image()).resize((1200, 1600), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED_RIGHT
    file = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "JPEG", quality=95, exif=exif)
    choose(page, "turned.jpeg", file.getvalue())
    expect(page.locator("#status")).to_contain_text("2 detections in turned.jpeg, 1200 × 1600")
    red, green, black = COLOURS[0], COLOURS[1], (0, 0, 0)
    for is_labelled in (True, False):
        page.locator("#show-labels").set_checked(is_labelled)
        name, content = saved(page, "drawing")
        assert name == "turned.detections.jpg"
        drawn = pixels_of(content)
        assert drawn.shape == (1600, 1200, 3)
        # red is in the pixels 300 to 600 across and 400 to 800 down, green in 750 to 1050 and 1000 to 1400
        for x, y, colour in [(300, 600, red), (600, 600, red), (450, 800, red), (750, 1200, green), (900, 1400, green)]:
            assert is_near(drawn[y, x], colour)
        assert is_near(drawn[600, 450], (255, 0, 0))  # inside
        assert is_near(drawn[600, 700], black)  # outside
        assert is_near(drawn[400 - 45, 302], red if is_labelled else black)  # the label above the box


def pixels_of(image: bytes) -> NDArray[np.uint8]:
    """An image file -> uint8 [H, W, 3]."""
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def is_near(pixel: NDArray[np.uint8], colour: tuple[int, int, int]) -> bool:
    """Whether a pixel of a JPEG has this colour."""
    return bool(np.abs(pixel.astype(int) - colour).max() < 40)


def test_the_archive_holds_every_form_and_all_drawn_pictures(page: Page) -> None:
    transparent = io.BytesIO()
    Image.new("RGBA", (80, 60)).save(transparent, "PNG")
    files = [("cells.png", GOLDEN), ("text.png", b"text"), ("ü ♥.JPG", transparent.getvalue()), ("cells.png", GOLDEN)]
    page.set_input_files("#file", [payload(name, content) for name, content in files])
    expect(page.locator("#thumbs .count")).to_have_text(["2", "!", "12", "2"])
    name, content = saved(page, "archive", menu="save-all")
    assert name == "detections.zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        drawn = ["cells.png.jpg", "ü ♥.JPG", "cells (2).png.jpg"]
        texts = ["detections.json", "detections.csv", "coco.json"]
        assert archive.namelist() == [*texts, *(f"drawn/{name}" for name in drawn)]
        assert all(entry.external_attr >> 16 == 0o100644 for entry in archive.infolist())
        assert np.median(pixels_of(archive.read("drawn/ü ♥.JPG"))) > 250  # on white, as in the server
        assert pixels_of(archive.read("drawn/cells (2).png.jpg")).shape == (64, 64, 3)
        answer, table, coco = (archive.read(name).decode() for name in texts)
    results = json.loads(answer)["results"]
    assert [result["filename"] for result in results] == ["cells.png", "text.png", "ü ♥.JPG", "cells (2).png"]
    assert [len(result["detections"]) for result in results] == [2, 0, 12, 2]
    assert results[1]["error"]["status"] == 415
    names = [row["name"] for row in csv.DictReader(io.StringIO(table))]
    assert names == ["cells.png"] * 2 + ["ü ♥.JPG"] * 12 + ["cells (2).png"] * 2
    images = json.loads(coco)["images"]
    assert [(image["id"], image["file_name"]) for image in images] == [
        (1, "cells.png"),
        (2, "ü ♥.JPG"),
        (3, "cells (2).png"),
    ]


def test_pictures_without_an_answer_are_counted_and_left_out(page: Page) -> None:
    answered: list[Route] = []

    def answer_two(route: Route) -> None:
        if len(answered) < 2:
            answered.append(route)
            route.continue_()

    page.route("**/detect?*", answer_two)
    page.set_input_files("#file", [payload(name, GOLDEN) for name in ("one.png", "two.png", "three.png")])
    expect(page.locator("#thumbs .count", has_text="2")).to_have_count(2)
    page.locator("#thumbs li", has_text="…").locator(".thumb").click()
    expect(page.locator("#save summary")).to_have_attribute("aria-disabled", "true")
    page.locator("#save summary").click()
    expect(page.locator("#save ul")).to_be_hidden()
    _, content = saved(page, "csv", menu="save-all")
    assert content.count(b"\r\n") == 5
    expect(page.locator("#taking-text")).to_contain_text("1 without an answer yet is left out.")


def test_the_archive_can_be_cancelled_and_begun_again(page: Page) -> None:
    page.set_input_files("#file", [payload(name, GOLDEN) for name in ("one.png", "two.png")])
    expect(page.locator("#thumbs .count")).to_have_text(["2", "2"])
    page.evaluate(HOLD)
    page.locator("#save-all summary").click()
    page.locator("#save-all [data-form=archive]").click()
    expect(page.locator("#taking-text")).to_have_text("Drawing picture 1 of 2")
    page.locator("#taking-cancel").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#taking-text")).to_have_text("Cancelled.")
    expect(page.locator("#save-all summary")).to_be_focused()
    page.evaluate("letGo()")
    _, content = saved(page, "archive", menu="save-all")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert len(archive.namelist()) == 5


def test_the_limits_of_the_browser_and_of_the_archive_are_told(page: Page) -> None:
    assert "70000 × 10 pixels are more than this browser can draw" in page.evaluate(
        DRAW, {"width": 70_000, "height": 10}
    )
    assert "cannot decode" in page.evaluate(DRAW, {"width": 10, "height": 10})
    assert "at most 65,534 files and 4 GB" in page.evaluate(ADD_TO_ZIP, 2**32)
    names = ["a.png", "A.png", "a (2).png", "a.png", "..", 'b/c\\d:"\n.png', "no suffix", "no suffix"]
    distinct = ["a.png", "A (3).png", "a (2).png", "a (4).png", "_", "b_c_d___.png", "no suffix", "no suffix (2)"]
    assert page.evaluate(NAMES, names) == distinct


def test_the_json_is_copied_with_and_without_the_clipboard_api(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(page, "cells.png", GOLDEN)
    expect(page.locator("#rows tr")).to_have_count(2)
    for is_plain_http in (False, True):
        if is_plain_http:
            page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true})")
        page.locator("#save summary").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("ArrowUp")  # from the button to the last entry
        page.keyboard.press("Enter")
        expect(page.locator("#taking-announcement")).to_have_text("The JSON is copied.")
        expect(page.locator("#save summary")).to_be_focused()
        page.evaluate("delete navigator.clipboard")
        copied = page.evaluate("navigator.clipboard.readText()")
        assert json.loads(copied)["results"][0]["filename"] == "cells.png"
        page.evaluate("navigator.clipboard.writeText('')")


def test_the_menus_fit_a_phone_and_everybody_can_use_them(open_page: Opener) -> None:
    page = open_page(360, scheme="dark")
    page.set_input_files("#file", [payload(name, GOLDEN) for name in ("one.png", "two.png")])
    expect(page.locator("#thumbs .count")).to_have_text(["2", "2"])
    for menu in ("save", "save-all"):
        page.locator(f"#{menu} summary").click()
        box = page.locator(f"#{menu} ul").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert_accessible(page, f"#{menu}")
        page.keyboard.press("Escape")
        expect(page.locator(f"#{menu} summary")).to_be_focused()
