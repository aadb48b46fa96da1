"""The growth of memory in a soak."""

import numpy as np
import pytest

from comparison.hostile.soak import MAX_GROWTH, growth_of

TIMES = np.arange(0.0, 1800, 5)


def test_memory_that_grows_at_first_and_then_stays_has_not_grown() -> None:
    samples = np.minimum(1e9, 5e8 + 1e6 * TIMES)
    assert growth_of(TIMES.tolist(), samples.tolist()) == pytest.approx(0, abs=1e-6)


def test_a_leak_is_found_among_the_pixels_of_single_moments() -> None:
    pixels = np.random.default_rng(0).exponential(1e8, len(TIMES))
    assert abs(growth_of(TIMES.tolist(), (6e8 + pixels).tolist())) < MAX_GROWTH
    assert growth_of(TIMES.tolist(), (6e8 + pixels + 1e8 * TIMES / 1200).tolist()) > MAX_GROWTH
