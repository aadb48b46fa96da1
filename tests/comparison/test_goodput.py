"""The medians of several rounds at several rates."""

from pathlib import Path

import pytest

from comparison.goodput import FACTORS, HEADER, NO_HEADER, main, rows_of, table_of
from service.benchmark.report import Run, run_of
from tests.comparison.samples import samples


def run(num_good: int, num_refused: int, num_expired: int = 0) -> Run:
    """One second in which so many requests are answered after 0.1 s, refused, or expired."""
    status = [200] * num_good + [503] * num_refused + [504] * num_expired
    return run_of(samples([0.1] * len(status), status), float(len(status)), 1.0, 0.25, {}, {})


def test_a_row_has_the_medians_and_the_ratio_to_the_knee_of_the_same_round() -> None:
    rounds = [
        {(HEADER, 1.0): run(10, 0), (HEADER, 2.0): run(10, 10)},
        {(HEADER, 1.0): run(100, 0), (HEADER, 2.0): run(90, 110)},
        {(HEADER, 1.0): run(50, 0), (HEADER, 2.0): run(40, 50, 10)},
    ]
    knee, double = rows_of(rounds)
    assert (knee.factor, knee.goodput, knee.share_of_knee, knee.refused) == (1.0, 50, 1.0, 0.0)
    assert (double.factor, double.goodput, double.offered) == (2.0, 40, 100)
    assert double.share_of_knee == pytest.approx(0.9)
    assert double.in_time_share == pytest.approx(0.45)
    assert double.refused == pytest.approx(0.5)
    assert double.expired == 0.0
    assert double.p50_ms == pytest.approx(100)


def test_the_table_has_all_rates_first_without_the_header_and_then_with_it() -> None:
    runs = {(header, factor): run(10, 5) for factor in FACTORS for header in (NO_HEADER, HEADER)}
    rows = rows_of([runs])
    assert [(row.header, row.factor) for row in rows] == [
        (header, factor) for header in (NO_HEADER, HEADER) for factor in FACTORS
    ]
    assert all(line.count("|") == 11 for line in table_of(rows).splitlines())


def test_a_knee_without_a_good_answer_is_no_division_by_zero() -> None:
    (row,) = rows_of([{(HEADER, 1.0): run(0, 10)}])
    assert row.share_of_knee == 0


def test_a_directory_without_images_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--images", str(tmp_path)]) == 1
    assert "there is no image in it" in capsys.readouterr().err
