"""The arrival times of an open loop."""

import numpy as np
import pytest

from service.benchmark.arrivals import arrival_times


def test_poisson_arrivals_have_their_rate_and_independent_gaps() -> None:
    times = arrival_times("poisson", 200, 50, burst=1, seed=0)
    gaps = np.diff(times)
    assert len(times) == pytest.approx(10_000, rel=0.05)
    assert (gaps >= 0).all()
    assert times[-1] < 50
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)


def test_bursts_have_the_same_rate_and_equal_times() -> None:
    times = arrival_times("bursts", 200, 50, burst=8, seed=0)
    assert len(times) == pytest.approx(10_000, rel=0.1)
    assert len(np.unique(times)) == len(times) / 8
