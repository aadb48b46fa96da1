"""The figures of a run and its report."""

import numpy as np
import pytest

from service.benchmark.http_load import LOST, Samples
from service.benchmark.report import batch_sizes_of, read_metrics, run_of, to_html


def test_the_figures_are_those_of_the_samples() -> None:
    intended = np.zeros(5)
    samples = Samples(
        intended, intended + 0.001, np.array([0.1, 0.2, 0.3, 0.01, np.nan]), np.array([200, 200, 200, 503, LOST])
    )
    before = {"process_cpu_seconds_total": 1.0}
    after = {
        "process_cpu_seconds_total": 1.3,
        'singleshot_batch_size_count{model="a"}': 2.0,
        'singleshot_batch_size_sum{model="a"}': 3.0,
    }
    run = run_of(samples, 2.5, 2.0, 0.25, before, after)
    assert (run.num_offered, run.throughput, run.goodput, run.goodput_share) == (5, 1.5, 1.0, 0.4)
    assert (run.p50_ms, run.max_ms, run.send_delay_p99_ms) == pytest.approx((200, 300, 1))
    assert run.statuses == {"lost": 1, "200": 3, "503": 1}
    assert run.mean_batch == 1.5
    assert run.cpu_ms_a_request == pytest.approx(100)


def test_a_run_without_answers_has_figures_too() -> None:
    nothing = np.zeros(0)
    run = run_of(Samples(nothing, nothing, nothing, nothing.astype(np.int64)), 1, 1, 0.25, {}, {})
    assert (run.throughput, run.goodput_share, run.mean_batch) == (0, 0, None)
    assert "nan" not in to_html("nothing", 0.25, [run], None)


def test_batch_sizes_are_read_from_the_cumulative_buckets() -> None:
    text = """# TYPE singleshot_batch_size histogram
singleshot_batch_size_bucket{le="1.0",model="a"} 3.0
singleshot_batch_size_bucket{le="2.0",model="a"} 3.0
singleshot_batch_size_bucket{le="4.0",model="a"} 5.0
singleshot_batch_size_bucket{le="1.0",model="b"} 1.0
singleshot_batch_size_bucket{le="2.0",model="b"} 1.0
singleshot_batch_size_bucket{le="4.0",model="b"} 1.0
"""
    assert batch_sizes_of(read_metrics(text)) == {"1": 4, "4": 2}
