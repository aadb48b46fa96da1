"""One turn of a server: a short load that is discarded, then the load that counts."""

import numpy as np

from comparison.loads import OBJECTIVE_SECONDS, closed_loop, open_loop
from comparison.peers import PeerError
from comparison.turns.figures import Figures, figures_of
from comparison.turns.resident import Resident
from service.benchmark.arrivals import arrival_times

SETTLE_SECONDS = 1.0
SETTLE_SEED = 1_000_000  # far from those of the rounds
MAX_TRIES = 5  # of a request after the pause: some servers first find out that minutes have passed


def measure(resident: Resident, rate: float | None, seconds: float, seed: int) -> Figures:
    """Load a server at `rate`, in a closed loop if it is None; raises PeerError and OSError."""
    settle(resident, rate)
    if rate is None:
        return Figures(closed_loop(resident.target, resident.requests, seconds, lead_seconds=SETTLE_SECONDS))
    times = arrival_times("poisson", rate, seconds, burst=1, seed=seed)
    before = resident.processes.cpu_seconds()
    samples = open_loop(resident.target, resident.requests_with_deadline, times)
    cpu_seconds = resident.processes.cpu_seconds() - before
    return figures_of(samples, seconds=seconds, objective_seconds=OBJECTIVE_SECONDS, cpu_seconds=cpu_seconds)


def settle(resident: Resident, rate: float | None) -> None:
    """Load a server that was paused, then wait until it answers a request with 200; raises PeerError if it does not."""
    resident.check()
    if rate is None:
        closed_loop(resident.target, resident.requests, SETTLE_SECONDS)
    else:
        times = arrival_times("poisson", rate, SETTLE_SECONDS, burst=1, seed=SETTLE_SEED)
        open_loop(resident.target, resident.requests_with_deadline, times)
    for _ in range(MAX_TRIES):
        resident.check()
        if 200 in open_loop(resident.target, resident.requests, np.zeros(1)).status:
            return
    raise PeerError(f"it answers no more; last lines of its log: {resident.processes.last_lines()}")
