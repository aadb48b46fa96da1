"""Medians and ratios over the kept rounds."""

import json

import pytest

from comparison.report.results import best_capacity, median_of, ratio_of, servers_in, to_dict
from comparison.turns.rounds import Load, Round
from comparison.turns.spread import Spread
from tests.comparison.report.comparisons import capacity, comparison, figures, two_rounds


def test_a_round_that_was_redone_does_not_count() -> None:
    assert median_of(two_rounds(), "mosec", "p50_ms") == Spread(25.0, 20.0, 30.0)
    assert servers_in(two_rounds()) == ["singleshot", "mosec"]


def test_a_ratio_is_taken_within_each_round() -> None:
    assert ratio_of(two_rounds(), "mosec", "p50_ms") == Spread(1.75, 1.5, 2.0)
    assert ratio_of(two_rounds(), "mosec", "cpu_ms_a_request") == Spread(1.0, 1.0, 1.0)


def test_a_round_without_one_of_both_servers_has_no_ratio() -> None:
    only_one = Load(0.6, 30.0, [Round(0, [0.3], {"mosec": figures(1.0)})])
    assert ratio_of(only_one, "mosec", "p50_ms") is None
    no_answer = Load(0.6, 30.0, [Round(0, [0.3], {"mosec": figures(None), "singleshot": figures(1.0)})])
    assert ratio_of(no_answer, "mosec", "p50_ms") is None


def test_the_best_capacity_is_the_best_median() -> None:
    assert best_capacity(comparison(capacity(), two_rounds())) == 60
    assert best_capacity(comparison()) == 0


def test_the_json_has_all_rounds_and_the_medians_of_the_kept_ones() -> None:
    content = json.loads(json.dumps(to_dict(comparison(two_rounds()))))
    (load,) = content["loads"]
    assert [found["is_kept"] for found in load["rounds"]] == [False, True, True]
    assert load["rounds"][0]["slowdown"] == pytest.approx(2)
    assert load["medians"]["mosec"]["p50_ms"] == {"median": 25.0, "least": 20.0, "greatest": 30.0}
    assert load["ratios"]["mosec"]["p50_ms"]["median"] == 1.75
    assert content["machine"]["processor"] == "Fast CPU"
