"""The progress bar: at a terminal it shows the total and the rate, elsewhere nothing."""

import os
import pty
import subprocess
import sys
from pathlib import Path

from service.bundle import Bundle
from service.detect.pictures import count_pictures
from service.detect.sources import open_sources
from tests.service.detect.command import words
from tests.service.detect.conftest import NUM_PICTURES

ROOT = Path(__file__).parents[3]


def test_a_terminal_sees_the_bar(tiny_bundle: Bundle, photos: Path, tmp_path: Path) -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "-m", "service.detect", *words(tiny_bundle, photos, "--out", tmp_path / "found.jsonl")]
    environment = {**os.environ, "COLUMNS": "100"}
    with subprocess.Popen(command, cwd=ROOT, stderr=its_end, env=environment) as process:
        os.close(its_end)
        text = b""
        while part := read(terminal):
            text += part
    os.close(terminal)
    assert process.returncode == 0
    assert f"{NUM_PICTURES}/{NUM_PICTURES}".encode() in text or f"{NUM_PICTURES}image".encode() in text
    assert b"image/s" in text


def read(terminal: int) -> bytes:
    """The next text of a terminal; none when its other end is closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def test_pictures_that_are_done_do_not_count(photos: Path) -> None:
    sources = open_sources([str(photos)])
    assert list(count_pictures(sources, 1, lambda _: False))[-1] == NUM_PICTURES
    assert list(count_pictures(sources, 1, lambda name: "first" in name))[-1] == NUM_PICTURES - 10
