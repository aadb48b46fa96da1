"""The fixed piece of work."""

import threading
from collections.abc import Sequence

import pytest

from comparison.turns import probe as module
from comparison.turns.probe import NUM_FIRST_IMAGES, Probe


def test_each_probe_runs_the_same_images_on_every_detector_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.0)  # one image
    both = threading.Barrier(2, timeout=10)
    seen: list[list[bytes]] = [[], []]

    def detector(number: int) -> object:
        def detect(files: Sequence[bytes]) -> None:
            both.wait()  # for the other thread
            seen[number] += files

        return detect

    probe = Probe([detector(0), detector(1)], [b"a", b"b"])  # type: ignore[list-item]
    assert probe.num_images == 1
    num_first = 2 * NUM_FIRST_IMAGES
    assert probe.seconds() > 0
    probe.close()
    assert seen[0] == seen[1] == [b"a", b"b"] * (num_first // 2) + [b"a"]
