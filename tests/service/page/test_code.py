"""The request as code in three languages gives the detections of the page."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
from playwright.sync_api import Page, expect

from service.api.app import create_app
from tests.service.live_server import live_server
from tests.service.page.accessibility import assert_accessible
from tests.service.page.opening import Opener
from tests.service.page.visitor import SHADES, choose, put
from tests.service.served_app import settings
from tests.tiny_bundle import png

ROOT = Path(__file__).parents[3]
KEY = "secret$key"
NAME = 'it\'s "5" $HOME `id` \\n ü\n\x1b[31m.png'
AFTER = {
    "curl": "",
    "python": "\nprint(detections.to_json())",
    "javascript": "\nconsole.log(JSON.stringify({ detections: await detect(picture) }));",
}


def test_the_code_of_each_language_gives_the_same_detections(
    open_page: Opener, bundles: list[str], tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(f"alice {KEY}\n")
    (tmp_path / NAME).write_bytes(png(SHADES))
    with live_server(create_app(settings(*bundles, api_keys_file=tmp_path / "keys"))) as address:
        page = open_page(address=address, is_loaded=False)
        page.goto("")
        page.locator("#key").fill(KEY)
        page.locator("#key").press("Enter")
        choose(page, NAME, png(SHADES))
        page.locator("#model").select_option(label="other")
        page.locator("input[value=linear]").check()
        put(page, "threshold", 0.1)
        put(page, "iou", 0.25)
        page.locator("#classes input").last.uncheck()
        expect(page.locator("#curl")).to_contain_text("classes=red")
        query = "model=other&nms=linear&iou_threshold=0.25&score_threshold=0.1&classes=red"
        headers = {"X-API-Key": KEY}
        asked = httpx.post(f"http://{address}/detect?{query}", content=png(SHADES), headers=headers)
        expected = asked.json()["results"][0]["detections"]
        assert len(expected) > 5
        for language, after in AFTER.items():
            code = page.locator(f"#{language}").text_content()
            printed = run(language, f"{code}{after}", tmp_path)
            if printed is None:
                continue
            (*_, last) = printed.splitlines()
            answer = json.loads(last)
            assert answer.get("detections") or answer["results"][0]["detections"] == expected


def run(language: str, code: str, folder: Path) -> str | None:
    """Run code in `folder` -> what it prints; None if this machine cannot run it."""
    (folder / "request.mjs").write_text(code)
    command = {
        "curl": ["bash", "-c", code],
        "python": [sys.executable, "-c", code],
        "javascript": ["node", "request.mjs"],
    }[language]
    if shutil.which({"curl": "curl", "python": sys.executable, "javascript": "node"}[language]) is None:
        return None
    environment = {**os.environ, "API_KEY": KEY, "PYTHONPATH": str(ROOT), "NO_PROXY": "*"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_language_is_chosen_by_keyboard_kept_and_copied(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#curl-tab").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#python-tab")).to_be_focused()
    expect(page.locator("#python-panel")).to_be_visible()
    expect(page.locator("#curl-panel")).to_be_hidden()
    assert_accessible(page, ".below")
    page.reload()
    expect(page.locator("#python")).to_contain_text('client.detect("picture.jpg", model="tiny")')
    page.locator("#python-panel button").click()
    expect(page.locator("#python-panel button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#python").text_content()
