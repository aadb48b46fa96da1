"""How long the refusals of one connection are held back."""

import pytest

from service.api.patience import FIRST_SECONDS, MAX_SECONDS, NUM_FREE, Patience

NOW = 100.0


def refuse_in_a_row(patience: Patience, number: int, retry_seconds: float = 30.0) -> list[float]:
    return [patience.refuse(NOW, retry_seconds) for _ in range(number)]


def test_each_refusal_of_a_client_that_does_not_wait_is_held_back_twice_as_long() -> None:
    holds = refuse_in_a_row(Patience(), 1 + NUM_FREE + 3)
    assert set(holds[: 1 + NUM_FREE]) == {0.0}
    assert holds[1 + NUM_FREE :] == [FIRST_SECONDS, 2 * FIRST_SECONDS, 4 * FIRST_SECONDS]


def test_no_refusal_is_held_back_longer_than_a_fixed_time() -> None:
    assert max(refuse_in_a_row(Patience(), 100)) == MAX_SECONDS


def test_a_client_that_waits_as_it_was_told_is_refused_at_once() -> None:
    patience = Patience()
    holds = [patience.refuse(NOW + second, 1.0) for second in range(100)]
    assert set(holds) == {0.0}


def test_no_refusal_is_held_back_longer_than_the_client_was_told_to_wait() -> None:
    assert max(refuse_in_a_row(Patience(), 100, retry_seconds=0.02)) == 0.02


@pytest.mark.parametrize("num_refused", [1, 2 * NUM_FREE])
def test_an_accepted_request_ends_the_row(num_refused: int) -> None:
    patience = Patience()
    refuse_in_a_row(patience, num_refused)
    patience.accept()
    assert patience.refuse(NOW, 1.0) == 0


def test_the_time_that_a_client_was_told_begins_when_it_gets_the_answer() -> None:
    patience, now = Patience(), NOW
    for number in range(20):  # asks again as soon as it is answered
        hold_seconds = patience.refuse(now, 0.05)
        assert (hold_seconds > 0) == (number > NUM_FREE)
        now += hold_seconds
    assert patience.refuse(now + 0.05, 0.05) == 0
