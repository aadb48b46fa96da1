"""The outcomes of detect requests."""

import pytest

from service.api.detect_routes import outcome_of
from service.api.request_record import RequestRecord
from service.telemetry.model_metrics import OUTCOMES


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "in_time"),
        (503, "refused"),
        (504, "expired"),
        (500, "failed"),
        (0, "failed"),
        (499, "gave_up"),
        (429, "client_error"),
    ],
)
def test_the_status_gives_the_outcome(status: int, outcome: str) -> None:
    assert outcome_of(status, is_slow=False) == outcome
    assert outcome in OUTCOMES


def test_an_answer_is_slow_by_the_time_since_the_last_byte_unless_the_client_has_set_a_time() -> None:
    assert outcome_of(200, is_slow=True) == "slow"
    record = RequestRecord()
    assert record.is_slow(start=10.0, now=11.5, slow_seconds=1.0)
    record.received = 11.0
    assert not record.is_slow(start=10.0, now=11.5, slow_seconds=1.0)
    record.has_timeout = True
    assert not record.is_slow(start=10.0, now=20.0, slow_seconds=1.0)
