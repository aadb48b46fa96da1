"""The batch command with a remote bundle, whose server sends half a file and then waits."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.service.website import SECONDS, Website, website
from tests.tiny_bundle import write_tiny_bundle

__all__ = ["website"]

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_a_server(
    number: signal.Signals, website: Website, photos: Path, tmp_path: Path
) -> None:
    write_tiny_bundle(website.folder / "cards")
    website.held.add("/cards/model.onnx")
    command = [sys.executable, "-m", "service.detect", str(photos), "--bundle", f"{website.url}/cards"]
    environment = {**os.environ, "SINGLESHOT_ENGINE_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert website.half_sent.wait(SECONDS)
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
        assert process.stderr is not None
        assert process.stderr.read() == "stopped\n"
