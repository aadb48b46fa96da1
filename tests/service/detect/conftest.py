"""Fixtures of the batch command: a folder of pictures, and signals that are as before."""

import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.tiny_bundle import SIZE, STEP, png

NUM_PICTURES = 23


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two folders of pictures; each has a red block at a place of its own, and some a green one."""
    folder = tmp_path / "photos"
    for number in range(NUM_PICTURES):
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        left = STEP * (number % 6)
        image[:16, left : left + 16, 0] = 255
        if number % 3 == 0:
            image[40:56, left : left + 16, 1] = 255
        path = folder / ("first" if number < 10 else "second") / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(image))
    return folder


@pytest.fixture(autouse=True)
def _restored_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
