"""The deadline of a request."""

from service.api.deadline import deadline_of


def test_a_client_s_timeout_counts_from_the_start_and_the_default_from_the_last_byte() -> None:
    times = {"start": 100.0, "received": 107.0, "default_seconds": 10.0}
    assert deadline_of(0.25, **times) == 100.25
    assert deadline_of(None, **times) == 117.0
