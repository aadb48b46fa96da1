"""Ground truth on the page: files in, hits, misses and false alarms out."""

import json

import pytest
from playwright.sync_api import FilePayload, Page, expect

from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.visitor import GOLDEN, payload, put

DROP = """(files) => {
    const transfer = new DataTransfer();
    for (const [name, text] of files) transfer.items.add(new File([text], name));
    document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""
SIZE = "<size><width>64</width><height>64</height></size>"
# The page finds a red square at 16, 16 and a green one at 40, 40, each of 16 pixels.
RED, GREEN, SHIFTED = (16, 16, 32, 32), (40, 40, 56, 56), (48, 40, 64, 56)


def voc(*objects: tuple[str, tuple[int, int, int, int]]) -> str:
    return f"<annotation>{SIZE}{''.join(voc_object(*given) for given in objects)}</annotation>"


def voc_object(name: str, box: tuple[int, int, int, int]) -> str:
    x1, y1, x2, y2 = box
    corners = f"<xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def coco(**pictures: list[tuple[str, tuple[int, int, int, int]]]) -> str:
    names = ["green", "red", "blue"]
    annotations = [
        {"image_id": number, "category_id": 7 + names.index(name), "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for number, objects in enumerate(pictures.values())
        for name, (x1, y1, x2, y2) in objects
    ]
    images = [{"id": number, "file_name": f"train/{name}.png"} for number, name in enumerate(pictures)]
    categories = [{"id": 7 + number, "name": name} for number, name in enumerate(names)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def yolo(*rows: tuple[int, tuple[int, int, int, int]]) -> str:
    shares = [[(x1 + x2) / 128, (y1 + y2) / 128, (x2 - x1) / 64, (y2 - y1) / 64] for _, (x1, y1, x2, y2) in rows]
    return "".join(f"{number} {' '.join(map(str, row))}\n" for (number, _), row in zip(rows, shares, strict=True))


def text_file(name: str, text: str) -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": text.encode()}


def counts(page: Page) -> list[list[str]]:
    """The rows of the table, after it is drawn."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    return [row.split() for row in page.locator("#truth-rows tr").all_inner_texts()]


@pytest.fixture
def judged(open_page: Opener) -> Page:
    """A dark phone's page with a.png, whose red is found and whose green is not, and b.png without ground truth."""
    page = open_page(360, scheme="dark")
    page.evaluate(DROP, [["a.xml", voc(("red", RED), ("green", SHIFTED), ("blue", RED))]])
    expect(page.locator("#truth-notes")).to_contain_text("1 annotated picture is not here; its boxes are kept")
    page.set_input_files("#file", [payload("a.png", GOLDEN), payload("b.png", GOLDEN)])
    expect(page.locator("#truth-rows tr")).to_have_count(3)
    return page


def test_files_are_judged_that_came_before_their_pictures(judged: Page) -> None:
    assert counts(judged) == [
        ["red", "1", "0", "0", "1.00", "1.00", "1.00"],
        ["green", "0", "1", "1", "0.00", "0.00", "0.00"],
        ["Total", "1", "1", "1", "0.50", "0.50", "0.50"],
    ]
    notes = judged.locator("#truth-notes")
    expect(notes).to_contain_text("There is ground truth for 1 of 2 pictures.")
    expect(notes).to_contain_text("The model has no class of these names, so their boxes are not counted: blue (1).")
    put(judged, "truth-iou", 0.3)  # the shifted green square has the IoU 1/3
    assert counts(judged)[1] == ["green", "1", "0", "0", "1.00", "1.00", "1.00"]
    put(judged, "truth-iou", 0.5)
    judged.locator("#figure").focus()
    said = []
    for _ in range(3):
        judged.keyboard.press("n")
        said.append(judged.locator("#figure ~ [role=status]").first.inner_text().split(",")[0])
    assert sorted(said) == ["1 of 3: ✓ red", "2 of 3: ✕ green", "3 of 3: missed green"]
    assert judged.evaluate("document.documentElement.scrollWidth") == 360
    assert_accessible(judged)


def test_coco_and_yolo_files_are_recognised_and_a_newer_file_replaces_an_older(judged: Page) -> None:
    everything = coco(a=[("red", RED), ("green", GREEN)], b=[("red", RED), ("red", SHIFTED)])
    judged.set_input_files("#truth-file", [text_file("instances.json", everything)])
    expect(judged.locator("#truth-notes")).to_contain_text("There is ground truth for 2 of 2 pictures.")
    assert counts(judged)[-1] == ["Total", "2", "0", "0", "1.00", "1.00", "1.00"]
    judged.locator("[name=truth-part][value=all]").check(force=True)
    expect(judged.locator("#truth-short")).to_have_text("F1 0.75 over all pictures")
    assert counts(judged) == [
        ["red", "2", "1", "0", "1.00", "0.67", "0.80"],
        ["green", "1", "0", "1", "0.50", "1.00", "0.67"],
        ["Total", "3", "1", "1", "0.75", "0.75", "0.75"],
    ]
    judged.set_input_files("#truth-file", [text_file("b.txt", yolo((0, RED), (1, GREEN)))])
    expect(judged.locator("#truth-notes")).to_contain_text("taken as the order of the model's classes")
    expect(judged.locator("#truth-short")).to_have_text("F1 1.00 over all pictures")
    judged.set_input_files("#truth-file", [text_file("data.yaml", "nc: 2\nnames: [green, red]\n")])
    expect(judged.locator("#truth-notes")).to_contain_text("The class numbers of YOLO's files are named by data.yaml.")
    expect(judged.locator("#truth-short")).to_have_text("F1 0.50 over all pictures")


def test_broken_files_are_named_and_nothing_is_lost(judged: Page) -> None:
    before = counts(judged)
    broken = [("a.xml", "<annotation>"), ("c.json", "{"), ("b.txt", "0 40 40 16 16"), ("data.yaml", "nc: 2")]
    judged.set_input_files("#truth-file", [text_file(name, text) for name, text in broken])
    faults = judged.locator("#truth-faults p")
    expect(faults).to_have_count(4)
    for (name, _), fault in zip(broken, faults.all_inner_texts(), strict=True):
        assert fault.startswith(f"{name}: ")
    assert counts(judged) == before
    judged.set_input_files("#truth-file", [text_file("b.txt", yolo((0, RED)))])
    expect(faults).to_have_count(3)  # the mended file has no fault any more
    judged.locator("#truth-remove").press("Enter")
    expect(judged.locator("#truth")).to_be_hidden()
    expect(judged.locator("#figure")).to_be_focused()


def test_a_left_out_class_counts_nowhere_and_boxes_of_another_size_are_pointed_out(judged: Page) -> None:
    judged.locator("#fold").click()
    judged.locator("#classes input").nth(1).uncheck()
    assert counts(judged) == [["red", "1", "0", "0", "1.00", "1.00", "1.00"]]
    judged.set_input_files("#truth-file", [text_file("a.xml", voc(("red", RED)).replace("64", "640"))])
    expect(judged.locator("#truth-notes")).to_contain_text(
        "its VOC file is for 640 × 640 pixels and the picture has 64 × 64, so the boxes may not fit"
    )


def test_all_pictures_can_be_cleared_beside_a_comparison(judged: Page) -> None:
    judged.locator("summary", has_text="Compare").click()
    judged.locator("#compare").click()
    expect(judged.locator("#truth-rows tr").last).to_contain_text("Right, total")
    judged.locator("#clear").click()
    expect(judged.locator("#time")).to_be_hidden()  # a part that is drawn after the ground truth
    expect(judged.locator("#truth-notes")).to_contain_text("1 annotated picture is not here")
