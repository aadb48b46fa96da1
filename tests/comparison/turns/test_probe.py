"""The fixed piece of work."""

import threading
from collections.abc import Callable, Sequence

from comparison.turns.probe import Probe, images_of_probe


def test_a_probe_runs_the_same_images_on_all_detectors_at_once() -> None:
    both = threading.Barrier(2, timeout=10)
    seen: list[list[bytes]] = [[], []]

    def detector(number: int) -> Callable[[Sequence[bytes]], None]:
        def detect(files: Sequence[bytes]) -> None:
            both.wait()  # for the other thread
            seen[number] += files

        return detect

    probe = Probe([detector(0), detector(1)], [b"a", b"b"])
    assert probe.seconds() > 0
    probe.close()
    assert seen == [[b"a", b"b"], [b"a", b"b"]]


def test_the_number_of_images_follows_from_the_cpu_time_of_one() -> None:
    assert images_of_probe([b"a", b"b"], cpu_ms=100) == [b"a", b"b", b"a"]
    assert images_of_probe([b"a", b"b"], cpu_ms=2000) == [b"a"]
