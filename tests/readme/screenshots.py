"""Make the screenshots of docs/page.md: `python -m tests.readme.screenshots` serves the default model for them.

Measured times are not shown, because they differ from run to run. It needs Chromium and what `make develop` installs.
"""

import argparse
import io
from pathlib import Path

from PIL import Image, ImageOps
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.readme.newcomer import EXAMPLES
from tests.readme.staging import ROOT, SHOWN_PLACE, staged, wait_until_drawn

WIDTH, HEIGHT = 1180, 860
MOSAIC = 4032, 3024  # pixels across and down, as a camera of 12 megapixels has them
QUALITY = 72  # of WebP
# what differs from run to run
LOOK = "#time, #all :is(th, td):nth-child(9) { display: none !important; } * { transition: none !important; }"
# class x1 y1 x2 y2 in pixels of the second example, as somebody might have marked its cells
MARKED = [
    ("WBC", 147, 233, 346, 422),
    ("RBC", 373, 128, 485, 242),
    ("RBC", 64, 296, 169, 412),
    ("RBC", 355, 348, 456, 447),
    ("RBC", 22, 53, 132, 164),
    ("RBC", 151, 137, 252, 246),
    ("RBC", 446, 373, 548, 471),
    ("RBC", 100, 1, 225, 88),
    ("RBC", 318, 1, 410, 66),
    ("RBC", 418, 2, 530, 80),
    ("RBC", 270, 118, 378, 231),
    ("RBC", 1, 217, 94, 317),
    ("RBC", 348, 236, 442, 337),
    ("RBC", 419, 237, 518, 339),
    ("RBC", 80, 401, 192, 478),
    ("RBC", 546, 350, 639, 462),
    ("RBC", 462, 75, 578, 174),
    ("RBC", 566, 75, 639, 150),
]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.readme.screenshots", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--out", type=Path, default=ROOT / "docs", metavar="DIR", help="where to put them (docs)")
    options = parser.parse_args()
    with staged() as browser:
        for name, show in (("page_large", show_large_picture), ("page_truth", show_ground_truth)):
            page = open_page(browser)
            show(page)
            shoot(page, options.out / f"{name}.webp")
            page.close()


def open_page(browser: Browser) -> Page:
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", bypass_csp=True)
    page.goto(f"http://{SHOWN_PLACE}/")
    page.wait_for_load_state("networkidle")
    page.add_style_tag(content=LOOK)
    return page


def show_large_picture(page: Page) -> None:
    """A mosaic of the examples, detected in tiles and zoomed."""
    page.set_input_files("#file", {"name": "smear.jpg", "mimeType": "image/jpeg", "buffer": mosaic()})
    page.get_by_role("button", name="Detect in tiles").click(timeout=60_000)
    expect(page.locator("#tile")).to_have_value("auto")
    expect(page.locator("#rows tr").nth(99)).to_be_attached(timeout=120_000)
    page.locator("#figure").focus()
    for key in ("+", "+", "+", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")


def show_ground_truth(page: Page) -> None:
    """The examples with marked cells for one of them."""
    page.set_input_files("#file", [jpeg(path.name, path.read_bytes()) for path in (*EXAMPLES[1:], EXAMPLES[0])])
    expect(page.locator("#progress-text")).to_contain_text("3 pictures", timeout=60_000)
    page.locator(".menu:has(#choose-truth) > summary").click()
    with page.expect_file_chooser() as chooser:
        page.locator("#choose-truth").click()
    name = EXAMPLES[1].with_suffix(".xml").name
    chooser.value.set_files({"name": name, "mimeType": "text/xml", "buffer": annotation(EXAMPLES[1].name).encode()})
    expect(page.locator("#truth")).to_contain_text("Precision")
    page.mouse.move(0, 0)


def jpeg(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/jpeg", "buffer": content}


def mosaic() -> bytes:
    """The examples beside each other, some of them mirrored, as one JPEG file of 12 megapixels."""
    pictures: list[Image.Image] = [Image.open(path) for path in EXAMPLES]
    pictures += [ImageOps.mirror(picture) for picture in pictures]
    whole = Image.new("RGB", MOSAIC)
    width, height = pictures[0].size
    places = [(x, y) for y in range(0, MOSAIC[1], height) for x in range(0, MOSAIC[0], width)]
    for index, place in enumerate(places):
        whole.paste(pictures[index * 5 % 6], place)
    content = io.BytesIO()
    whole.save(content, "JPEG", quality=92)
    return content.getvalue()


def annotation(picture: str) -> str:
    """The marked cells as Pascal VOC writes them, which counts pixels from 1."""
    objects = [
        f"<object><name>{name}</name><bndbox><xmin>{x1 + 1}</xmin><ymin>{y1 + 1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in MARKED
    ]
    size = "<size><width>640</width><height>480</height><depth>3</depth></size>"
    return f"<annotation><filename>{picture}</filename>{size}{''.join(objects)}</annotation>"


def shoot(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    wait_until_drawn(page)
    picture = Image.open(io.BytesIO(page.screenshot(animations="disabled"))).convert("RGB")
    picture.save(path, quality=QUALITY, method=6)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
