"""When the requests of a load test are meant to be sent: an open loop, which no slow answer slows down."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pattern = Literal["poisson", "bursts"]


def arrival_times(pattern: Pattern, rate: float, seconds: float, *, burst: int, seed: int) -> NDArray[np.float64]:
    """Times in seconds from the start, rising, `rate` a second on average.

    poisson: each request independent of the others; bursts: `burst` requests at once, the bursts independent of each other.
    """
    rng = np.random.default_rng(seed)
    size = burst if pattern == "bursts" else 1
    expected = rate * seconds / size
    num_gaps = round(expected + 6 * expected**0.5) + 10  # six standard deviations: there will be enough
    starts = np.cumsum(rng.exponential(size / rate, num_gaps))
    return np.repeat(starts[starts < seconds], size)
