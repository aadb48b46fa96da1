"""A fixed piece of work on all cores, without a server. Its wall time tells how fast the machine is at the moment."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

PROBE_SECONDS = 0.3  # about, on a calm machine


class Probe:
    """The plain loop over the same images and the same pipeline, on one thread for each detector."""

    def __init__(self, detectors: Sequence[Callable[[Sequence[bytes]], object]], images: Sequence[bytes]) -> None:
        self._detectors = detectors
        self._images = images
        self._pool = ThreadPoolExecutor(len(detectors))

    def seconds(self) -> float:
        """Do the work once -> its wall time."""
        start = time.perf_counter()
        for done in [self._pool.submit(self._run, detector) for detector in self._detectors]:
            done.result()
        return time.perf_counter() - start

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()

    def _run(self, detector: Callable[[Sequence[bytes]], object]) -> None:
        for image in self._images:
            detector([image])


def images_of_probe(images: Sequence[bytes], cpu_ms: float) -> list[bytes]:
    """The images of a probe, if one of them takes `cpu_ms` of CPU."""
    return [images[i % len(images)] for i in range(max(1, round(1000 * PROBE_SECONDS / cpu_ms)))]
