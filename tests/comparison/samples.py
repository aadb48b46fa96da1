"""Samples as a load generator records them, for tests that need no server."""

import numpy as np

from service.benchmark.http_load import Samples


def samples(latency: list[float], status: list[int]) -> Samples:
    intended = np.arange(len(latency), dtype=np.float64)
    return Samples(intended, intended, intended + np.array(latency), np.array(status))
