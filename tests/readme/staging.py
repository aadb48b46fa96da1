"""The stage of the film and the screenshots: the default model at a fixed address, and a browser that draws alike.

The model runs in fp32, so that the same commit gives the same pictures on each machine with the same fonts.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).parents[2]
SHOWN_PLACE = "localhost:8000"  # what the page says of its server, which really has a free port
FLAGS = [  # Chromium draws each frame anew and in one thread, so that it rounds as it did the last time
    *("--no-sandbox", "--disable-gpu", "--num-raster-threads=1", "--disable-partial-raster"),
    *("--disable-checker-imaging", "--disable-skia-runtime-opts", "--force-device-scale-factor=1"),
]
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@contextmanager
def staged(*, has_camera: bool = False) -> Iterator[Browser]:
    """A browser in which SHOWN_PLACE is a server of the default model; `has_camera`: one with a test picture."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("there is no Chromium: install the package chromium, or Google Chrome")
    camera = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"] if has_camera else []
    with sync_playwright() as playwright, serving() as place:
        flags = [*FLAGS, *camera, f"--host-resolver-rules=MAP {SHOWN_PLACE} {place}"]
        running = playwright.chromium.launch(executable_path=browser, args=flags)
        yield running
        running.close()


@contextmanager
def serving() -> Iterator[str]:
    """The default model in fp32 -> host:port."""
    command = [sys.executable, "-m", "service", "--port", "0", "--engine", "onnx", "--precision", "fp32"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        try:
            found = next(filter(None, (re.search(r"http://(127\.0\.0\.1:\d+)/", line) for line in server.stderr)), None)
            if found is None:
                sys.exit("the server did not start: run `python -m service` and read its log")
            yield found[1]
        finally:
            server.terminate()


def wait_until_drawn(page: Page) -> None:
    page.evaluate(DRAWN)
