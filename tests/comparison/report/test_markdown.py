"""The figures of a run, and the report of the comparison."""

import json
from pathlib import Path

import pytest

from comparison.report import Comparison, Row, Standing, draw, overhead_of, row_of, to_json, to_markdown
from tests.comparison.samples import samples


def row(latency: list[float], status: list[int], cpu_seconds: float = 1.0) -> Row:
    found = samples(latency, status)
    return row_of("a", 0.6, 2.0, found, seconds=4.0, objective_seconds=0.25, cpu_seconds=cpu_seconds)


def comparison(rows: list[Row], loop: dict[int, float] | None = None) -> Comparison:
    standings, failures = [Standing("a", 50.0, 0.1, 300.0)], {"b": "not installed: no wheel"}
    return Comparison(250.0, 4.0, loop or {1: 10.0}, standings, rows, failures)


def test_only_answers_in_time_are_goodput() -> None:
    found = row([0.1, 0.2, 0.3, 0.1], [200, 200, 200, 503])
    assert (found.goodput, found.goodput_share) == (0.5, 0.5)
    assert found.statuses == {"200": 3, "503": 1}
    assert found.p50_ms == pytest.approx(200)


def test_throughput_counts_until_the_last_answer() -> None:
    assert row([0.1, 0.1, 0.1, 5.0], [200] * 4).throughput == pytest.approx(4 / 8)


def test_cpu_time_is_divided_among_the_answers() -> None:
    found = row([0.1, 0.1, 0.1, 0.1], [200, 200, 0, 503], cpu_seconds=0.04)
    assert found.cpu_ms_a_request == pytest.approx(20)
    assert overhead_of(comparison([found], {1: 16.0}), found) == pytest.approx(1.25)


def test_a_server_that_answers_nothing_has_no_latency() -> None:
    found = row([1.0], [0])
    assert (found.throughput, found.p99_ms, found.cpu_ms_a_request, found.statuses) == (0.0, None, None, {"lost": 1})
    assert "| – | – |" in to_markdown(comparison([found]))


def test_the_report_names_every_server_and_why_one_is_missing(tmp_path: Path) -> None:
    found = comparison([row([0.1], [200])])
    text = to_markdown(found)
    assert "| a | 50.0 | 0.1 | 300 |" in text
    assert "- b: not installed: no wheel" in text
    assert json.loads(to_json(found))["rows"][0]["server"] == "a"
    draw(found, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")
