"""A fixed piece of work on all cores, without a server. Its wall time tells how fast the machine is at the moment."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

PROBE_SECONDS = 0.3  # about
NUM_FIRST_IMAGES = 10  # they tell how many images a probe takes


class Probe:
    """The plain loop over the same pipeline, on one thread for each detector."""

    def __init__(self, detectors: Sequence[Callable[[Sequence[bytes]], object]], images: Sequence[bytes]) -> None:
        self._detectors = detectors
        self._pool = ThreadPoolExecutor(len(detectors))
        self._images = [images[i % len(images)] for i in range(NUM_FIRST_IMAGES)]
        seconds = min(self.seconds(), self.seconds()) / NUM_FIRST_IMAGES
        self.num_images = max(1, round(PROBE_SECONDS / seconds))  # for each thread
        self._images = [images[i % len(images)] for i in range(self.num_images)]

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
