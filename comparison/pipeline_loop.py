"""Measures the cost of the detector itself, in a plain loop on one thread, without a server around it."""

import time
from collections.abc import Sequence

from comparison.detector import Detector

BATCH_SIZES = (1, 4, 8)


def cpu_ms_an_image(detector: Detector, files: Sequence[bytes], *, seconds: float) -> dict[int, float]:
    """Batch size -> CPU milliseconds of this process for each image. Each batch size is measured for `seconds`."""
    found = {}
    for size in BATCH_SIZES:
        batches = [[files[(start + i) % len(files)] for i in range(size)] for start in range(0, len(files), size)]
        detector(batches[0])
        num_images, end, before = 0, time.perf_counter() + seconds, time.process_time()
        while time.perf_counter() < end:
            detector(batches[num_images // size % len(batches)])
            num_images += size
        found[size] = 1000 * (time.process_time() - before) / num_images
    return found
