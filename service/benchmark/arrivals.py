"""The times to send the requests of a load test: an open loop, in which slow answers do not delay later requests."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pattern = Literal["poisson", "bursts"]


def arrival_times(pattern: Pattern, rate: float, seconds: float, *, burst: int, seed: int) -> NDArray[np.float64]:
    """Times in seconds from the start, in rising order, `rate` a second on average.

    poisson: each request is independent of the others; bursts: `burst` requests at once, in independent bursts.
    """
    rng = np.random.default_rng(seed)
    size = burst if pattern == "bursts" else 1
    expected = rate * seconds / size
    num_gaps = round(expected + 6 * expected**0.5) + 10  # six standard deviations more than expected are enough
    starts = np.cumsum(rng.exponential(size / rate, num_gaps))
    return np.repeat(starts[starts < seconds], size)
