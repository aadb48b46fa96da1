"""What a visitor of the page does, and what the visitor sees."""

import httpx
import numpy as np
from playwright.sync_api import FilePayload, Page

from tests.tiny_bundle import golden_image, png

GOLDEN = png(golden_image())  # the tiny model finds a red and a green rectangle in it
SHADES = np.zeros((64, 64, 3), np.uint8)  # a ramp of red: overlapping candidates of many scores
SHADES[..., 0] = np.linspace(60, 255, 64)


def choose(page: Page, name: str, content: bytes) -> None:
    page.set_input_files("#file", payload(name, content))


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "image/png", "buffer": content}


def put(page: Page, slider: str, value: float) -> None:
    page.locator(f"#{slider}").fill(str(value))


def shown(page: Page) -> list[tuple[str, float]]:
    """The label and score of each detection in the table, after it is drawn."""
    page.evaluate("() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
    rows = page.locator("#rows tr").all_inner_texts()
    return [(row.split("\t")[0].strip(), float(row.split("\t")[1])) for row in rows]


def answered(server: str, query: str, content: bytes) -> list[tuple[str, float]]:
    """The label and score of each detection in the server's own answer."""
    (result,) = httpx.post(f"http://{server}/detect?{query}", content=content).json()["results"]
    return [(found["label"], round(found["score"], 3)) for found in result["detections"]]
