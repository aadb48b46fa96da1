"""The comparison as Markdown."""

from comparison.report.markdown import calmness, to_markdown
from comparison.turns.rounds import Load, Round
from tests.comparison.report.comparisons import capacity, comparison, figures, two_rounds


def test_the_report_names_the_machine_the_versions_the_settings_and_the_servers_left_out() -> None:
    text = to_markdown(comparison())
    assert "Fast CPU, 2 cores, with AMX, Linux. Engine of all servers: openvino in bf16" in text
    assert "| mosec | mosec 0.9 | 3.11.7 | 2026.1 | 2.3 | – |" in text
    assert "Not the same for all servers: numpy." in text
    assert "| mosec | no batches | 40.0 (39.0–41.0) | yes |" in text
    assert "| mosec | batches of at most 4 | – |  |" in text
    assert "| singleshot | as it is | 0.4 | 570 |" in text
    assert "- ray: 2 of its 20 processes ended" in text


def test_the_capacities_begin_with_the_best() -> None:
    text = to_markdown(comparison(capacity()))
    assert text.index("| mosec | 60.0 (60.0–60.0) |") < text.index("| singleshot | 50.0 (50.0–50.0) |")
    assert "| mosec | 1.20 (1.20–1.20) |" in text


def test_a_load_has_medians_with_ranges_and_ratios() -> None:
    text = to_markdown(comparison(two_rounds()))
    assert "## 60 % of the best capacity, 30.0 requests a second" in text
    row = (
        "| mosec | 50.0 (50.0–50.0) | 25.0 (20.0–30.0) | 250.0 (200.0–300.0) | 98.0 (98.0–98.0) | 10.00 (10.00–10.00) "
    )
    assert row + "| 1.25 | 200: 98 503: 2 | 1.0 (1.0–1.0) |" in text
    assert "| mosec | 1.75 (1.50–2.00) | 1.75 (1.50–2.00) | 1.00 (1.00–1.00) | 1.00 (1.00–1.00) |" in text


def test_the_report_tells_how_steady_the_machine_was() -> None:
    text = calmness(two_rounds(), num_rounds=2)
    assert "took 300 (300–330) ms" in text
    assert "1 round was redone" in text
    assert "0 of the 2 kept rounds are above the limit" in text
    disturbed = Load(0.6, 30.0, [Round(0, [0.3, 0.6], {}), Round(0, [0.3, 0.9], {})])
    assert "1 of the 1 kept rounds is above the limit" in calmness(disturbed, num_rounds=1)


def test_a_server_without_answers_has_dashes_and_no_ratios() -> None:
    load = Load(0.6, 30.0, [Round(0, [0.3], {"singleshot": figures(1.0), "mosec": figures(None, None)})])
    text = to_markdown(comparison(load))
    assert "| mosec | 50.0 (50.0–50.0) | – | – | 98.0 (98.0–98.0) | – | – |" in text


def test_a_load_without_a_complete_round_is_left_out() -> None:
    assert "of the best capacity" not in to_markdown(comparison(Load(0.6, 30.0)))


def test_the_report_tells_how_fast_the_machine_was_compared_with_the_measurement_of_the_capacities() -> None:
    slow = Load(0.6, 30.0, [Round(0, [0.45, 0.45], {"mosec": figures(1.0)})])
    assert "It took 1.50 times as long as at the capacities." in to_markdown(comparison(capacity(), slow))
    assert "times as long" not in to_markdown(comparison(capacity()))
