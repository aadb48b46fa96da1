"""The objective and the deadline of a request."""

from service.api.deadline import limits_of
from service.scheduling.admission import TimeLimits


def test_a_client_s_timeout_counts_from_the_start_and_the_server_s_own_limits_from_the_last_byte() -> None:
    times = {"start": 100.0, "received": 107.0, "objective_seconds": 0.5, "deadline_seconds": 10.0}
    assert limits_of(0.25, **times) == TimeLimits(100.25, 100.25)
    assert limits_of(None, **times) == TimeLimits(107.5, 117.0)


def test_the_objective_is_no_later_than_the_deadline() -> None:
    times = {"start": 100.0, "received": 100.0, "objective_seconds": 20.0, "deadline_seconds": 10.0}
    assert limits_of(None, **times) == TimeLimits(110.0, 110.0)
