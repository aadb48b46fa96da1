"""The figures of a turn."""

import pytest

from comparison.turns.figures import Figures, figures_of
from tests.comparison.samples import samples


def figures(latency: list[float], status: list[int], cpu_seconds: float = 1.0) -> Figures:
    return figures_of(samples(latency, status), seconds=4.0, objective_seconds=0.25, cpu_seconds=cpu_seconds)


def test_only_good_answers_within_the_objective_are_in_time() -> None:
    found = figures([0.1, 0.2, 0.3, 0.1], [200, 200, 200, 503])
    assert found.in_time_share == 0.5
    assert found.statuses == {"200": 3, "503": 1}
    assert found.p50_ms == pytest.approx(200)


def test_throughput_counts_until_the_last_answer() -> None:
    assert figures([0.1, 0.1, 0.1, 5.0], [200] * 4).throughput == pytest.approx(4 / 8)


def test_cpu_time_is_divided_among_the_answers() -> None:
    assert figures([0.1] * 4, [200, 200, 0, 503], cpu_seconds=0.04).cpu_ms_a_request == pytest.approx(20)


def test_a_server_that_answers_nothing_has_no_latency() -> None:
    found = figures([1.0], [0])
    assert (found.throughput, found.p99_ms, found.cpu_ms_a_request, found.statuses) == (0.0, None, None, {"lost": 1})


def test_a_load_without_a_request_has_no_share() -> None:
    assert figures([], []).in_time_share is None
