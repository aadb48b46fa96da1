"""Film the page: `python -m tests.readme.film` serves the default model and writes the README's moving picture.

A visitor in headless Chromium opens the page, chooses an example, and moves its settings. Each frame is a screenshot;
Pillow joins them to an animated WebP. Measured times are not shown, because they differ from run to run. It needs
Chromium and what `make develop` installs.
"""

import argparse
import io
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.readme.staging import ROOT, SHOWN_PLACE, staged, wait_until_drawn

WIDTH, HEIGHT = 960, 760  # pixels of the page and of the film
STILL, STEP = 1100, 60  # milliseconds of a frame that the reader looks at, and of one that moves
# the visitor's hand, which a screenshot does not show; the times, which differ from run to run
LOOK = """
#time { display: none !important; }
#hand { position: fixed; z-index: 99; width: 22px; height: 22px; margin: -3px 0 0 -3px; pointer-events: none; }
* { transition: none !important; animation: none !important; caret-color: transparent !important; }
"""
HAND = """([x, y]) => document.body.insertAdjacentHTML("beforeend",
`<svg id="hand" viewBox="0 0 24 24" style="left:${x}px;top:${y}px">
<path d="M4 2l15 11-7 1 4 7-3 2-4-8-5 5z" fill="#111" stroke="#fff" stroke-width="1.5"/></svg>`)"""
MOVE_HAND = """([x, y]) => Object.assign(document.getElementById("hand").style, {left: `${x}px`, top: `${y}px`})"""


@dataclass
class Film:
    """The frames so far [H, W, 3] and their milliseconds, and where the hand is."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)
    hand: tuple[float, float] = (WIDTH * 0.58, HEIGHT * 0.94)

    def shoot(self, milliseconds: int = STILL) -> None:
        wait_until_drawn(self.page)
        self.frames.append(Image.open(io.BytesIO(self.page.screenshot(animations="disabled"))).convert("RGB"))
        self.durations.append(milliseconds)

    def go_to(self, x: float, y: float, steps: int = 6) -> None:
        """Move the hand to a place in pixels of the page."""
        old_x, old_y = self.hand
        for step in range(1, steps + 1):
            share = step / steps
            self.hand = (old_x + (x - old_x) * share, old_y + (y - old_y) * share)
            self.page.mouse.move(*self.hand)
            self.page.evaluate(MOVE_HAND, list(self.hand))
            self.shoot(STEP)

    def click(self, target: Locator) -> None:
        box = target.bounding_box()
        assert box is not None, target
        self.go_to(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self.page.mouse.click(*self.hand)

    def slide(self, slider: str, values: list[float]) -> None:
        """Move a slider through these values, with the hand on its knob."""
        target = self.page.locator(f"#{slider}")
        box = target.bounding_box()
        assert box is not None, slider
        low, high = (float(target.get_attribute(end) or 0) for end in ("min", "max"))
        for index, value in enumerate(values):
            place = (value - low) / (high - low) * (box["width"] - 16) + 8
            self.go_to(box["x"] + place, box["y"] + box["height"] / 2, steps=1 if index else 6)
            target.fill(str(value))
            self.shoot(STEP)

    def save(self, path: Path) -> None:
        first, *others = self.frames
        first.save(
            path, save_all=True, append_images=others, duration=self.durations, loop=0, quality=72, method=6, kmax=60
        )


def play(film: Film) -> None:
    """What the visitor does."""
    page = film.page
    film.shoot(STILL)
    film.click(page.get_by_role("button", name="Example 2"))
    expect(page.locator("#rows tr").first).to_be_attached(timeout=60_000)
    film.go_to(WIDTH * 0.62, HEIGHT * 0.93)
    film.shoot(2 * STILL)
    film.slide("threshold", [0.45, 0.55, 0.65, 0.75, 0.85, 0.95])
    film.shoot(STILL)
    film.slide("threshold", [0.95, 0.85, 0.75, 0.65, 0.55, 0.45, 0.35, 0.25, 0.15])
    film.shoot(STILL)
    film.click(page.get_by_text("None", exact=True))
    film.shoot(STILL)
    film.click(page.get_by_text("Gaussian", exact=True))
    film.shoot(STEP)
    film.slide("threshold", [0.15, 0.25, 0.35, 0.45])
    film.shoot(STILL // 2)
    for _ in range(4):
        film.click(page.locator("#zoom-in"))
        film.shoot(3 * STEP)
    film.shoot(2 * STILL)
    film.click(page.locator("#zoom-fit"))
    film.shoot(STILL // 2)
    film.click(page.locator("#save > summary"))
    film.shoot(2 * STILL)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.readme.film", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "page.webp", help="the film (docs/page.webp)")
    options = parser.parse_args()
    with staged() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", bypass_csp=True)
        take(page, options.out)


def take(page: Page, path: Path) -> None:
    page.goto(f"http://{SHOWN_PLACE}/")
    expect(page.locator("#example-list img[src]")).not_to_have_count(0)
    page.wait_for_load_state("networkidle")
    page.add_style_tag(content=LOOK)
    film = Film(page)
    page.evaluate(HAND, list(film.hand))
    play(film)
    film.save(path)
    seconds = sum(film.durations) / 1000
    print(f"{path}: {len(film.frames)} frames, {seconds:.1f} s, {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
