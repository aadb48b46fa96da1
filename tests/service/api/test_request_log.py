"""How many lines the requests get."""

import logging

import pytest

from service.api.request_log import MAX_TEXT, RequestLog, shortened


class Clock:
    """Stands still until a test changes `now`."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The event and the outcome of each line, and its count."""
    found = [(vars(record)["event"], vars(record)["outcome"]) for record in caplog.records]
    caplog.clear()
    return found


def test_each_outcome_has_lines_of_its_own_and_the_others_are_counted(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "singleshot")
    log = RequestLog(0.2, clock)
    for _ in range(100):
        log.write("refused", dict)
    log.write("failed", dict)
    assert lines(caplog) == [("request", "refused"), ("request", "refused"), ("request", "failed")]
    log.count_others()
    (record,) = caplog.records
    assert (vars(record)["event"], vars(record)["outcome"], vars(record)["count"]) == ("requests", "refused", 98)
    caplog.clear()
    log.count_others()
    assert lines(caplog) == []
    clock.now += 5
    log.write("refused", dict)
    assert lines(caplog) == [("request", "refused")]


def test_a_request_without_a_line_costs_no_fields(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    def fields() -> dict[str, object]:
        raise AssertionError

    RequestLog(0.1, clock).write("in_time", fields)  # the level is warning
    caplog.set_level(logging.INFO, "singleshot")
    log = RequestLog(0.1, clock)
    log.write("in_time", dict)
    log.write("in_time", fields)


def test_a_long_text_is_shortened() -> None:
    assert shortened("/detect") == "/detect"
    assert len(shortened("x" * 40_000)) == MAX_TEXT + 1
