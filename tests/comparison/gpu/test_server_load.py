"""The loads of several servers as one."""

import numpy as np

from comparison.gpu.server_load import joined
from service.benchmark.report import run_of
from tests.comparison.samples import samples


def test_the_figures_are_those_of_all_servers_together() -> None:
    found = joined([samples([0.1, 0.3], [200, 503]), samples([0.2, 0.1, 0.2], [200, 200, 200])])
    assert np.allclose(found.latency, [0.1, 0.3, 0.2, 0.1, 0.2])
    run = run_of(found, 10.0, 2.0, 0.15, {}, {})
    assert (run.num_offered, run.throughput, run.goodput) == (5, 2.0, 1.0)
