"""The budget of pixels, the margin of the predictions, and the retry times of refused clients."""

from typing import Any

import numpy as np
import pytest

from service.scheduling.admission import (
    MARGIN_HALF_LIFE,
    MAX_PROMISE_SECONDS,
    Admission,
    Load,
    Margin,
    Promises,
    RejectedError,
)
from service.scheduling.cost_model import CostModel
from service.scheduling.pixel_budget import BudgetExceededError, PixelBudget


def test_the_budget_is_given_back() -> None:
    budget = PixelBudget(100)
    for _ in range(3):
        with budget.reserved(60), budget.reserved(40):
            assert budget.pixels == 100
    assert budget.pixels == 0


def test_an_image_over_the_budget_is_refused_at_once() -> None:
    budget = PixelBudget(100)
    with budget.reserved(60), pytest.raises(BudgetExceededError, match="60 pixels"), budget.reserved(41):
        pass


def test_a_single_image_is_accepted_at_any_size() -> None:
    budget = PixelBudget(100)
    with budget.reserved(1000):
        assert budget.pixels == 1000


def test_refused_clients_get_retry_times_one_after_another() -> None:
    promises = Promises()
    assert promises.next_seconds(now=100.0, soonest_seconds=2.0, spacing_seconds=0.5) == 2.0
    assert promises.next_seconds(now=100.0, soonest_seconds=2.0, spacing_seconds=0.5) == 2.5
    assert promises.next_seconds(now=101.0, soonest_seconds=0.1, spacing_seconds=0.5) == 2.0
    assert promises.next_seconds(now=200.0, soonest_seconds=1.0, spacing_seconds=0.5) == 1.0


def test_a_place_that_is_withdrawn_delays_no_other_client() -> None:
    promises = Promises()
    first = promises.next_seconds(0.0, 1.0, 0.1)
    for _ in range(1000):
        promises.next_seconds(0.0, 1.0, 0.1)
        promises.withdraw()
    assert promises.next_seconds(0.0, 1.0, 0.1) == pytest.approx(first + 0.1)


def test_a_promised_retry_time_is_bounded() -> None:
    promises = Promises()
    told = [promises.next_seconds(now=0.0, soonest_seconds=1.0, spacing_seconds=1.0) for _ in range(100)]
    assert told[:3] == [1.0, 2.0, 3.0]
    assert max(told) == MAX_PROMISE_SECONDS
    assert (
        promises.next_seconds(now=0.0, soonest_seconds=40.0, spacing_seconds=1.0) == 40.0
    )  # a wait that is really needed has no bound


def test_the_margin_covers_nearly_all_answers_and_no_more() -> None:
    late = np.random.default_rng(0).normal(0.010, 0.005, 4000)
    margin = Margin()
    covered = []
    for number, seconds in enumerate(late):
        now = 0.01 * number
        covered.append(seconds <= margin.seconds(now))
        margin.observe(seconds, batch_seconds=0.04, now=now)
    assert 0.94 < np.mean(covered[1000:]) < 0.995
    assert margin.seconds(now) < late.max()


def test_without_late_answers_the_margin_falls() -> None:
    margin = Margin()
    for _ in range(3):
        margin.observe(1.0, batch_seconds=0.1, now=0.0)
    raised = margin.seconds(0.0)
    assert raised > 0
    for _ in range(1000):
        margin.observe(-1.0, batch_seconds=0.1, now=0.0)
    assert margin.seconds(0.0) == 0


def test_the_margin_is_forgotten_also_without_answers() -> None:
    margin = Margin()
    for _ in range(100):
        margin.observe(10.0, batch_seconds=0.1, now=0.0)
    assert margin.seconds(0.0) == pytest.approx(0.98)
    assert margin.seconds(MARGIN_HALF_LIFE) == pytest.approx(0.49)
    assert margin.seconds(10 * MARGIN_HALF_LIFE) < 0.001


def test_a_margin_alone_refuses_no_image_of_a_server_with_little_to_do() -> None:
    admission = Admission(CostModel({1: 0.02}), max_queue=8)
    for _ in range(1000):
        admission.learn(predicted=0.0, batch_size=1, now=100.0)
    little = Load(num_waiting=0, num_ahead=0, num_running=1, free_in=[0.02], batch_size=1)
    much = Load(num_waiting=6, num_ahead=6, num_running=1, free_in=[0.02], batch_size=1)
    admission.check(little, now=100.0, objective=100.25)
    with pytest.raises(RejectedError, match="would take"):
        admission.check(much, now=100.0, objective=100.25)


BUSY = Load(num_waiting=9, num_ahead=9, num_running=1, free_in=[0.5], batch_size=1)


def refusing(num_inside: int = 10, objective: float = 102.0, **options: Any) -> tuple[Admission, RejectedError]:
    """So many images are inside; one with this objective has been refused at the time 100."""
    admission = Admission(CostModel({1: 1.0}), max_queue=100)
    for _ in range(num_inside):
        admission.flow.enter()
    admission.check_again(now=100.0, objective=objective)
    with pytest.raises(RejectedError) as caught:
        admission.check(BUSY, now=100.0, objective=objective, **options)
    return admission, caught.value


def test_a_late_image_is_a_measure_for_others_with_as_much_time_and_only_for_a_moment() -> None:
    admission, first = refusing()
    with pytest.raises(RejectedError) as second:
        admission.check_again(now=100.01, objective=102.02)
    assert (second.value.reason, str(second.value)) == ("late", str(first))
    assert second.value.retry_after_seconds == pytest.approx(first.retry_after_seconds + 1.0 - 0.01)
    for now, objective in [(100.01, 103.0), (100.01, 101.0), (100.06, 102.06)]:
        admission.check_again(now=now, objective=objective)


def test_a_late_image_is_no_measure_when_others_have_left() -> None:
    admission, _ = refusing()
    for _ in range(2):
        admission.flow.leave(100.0, is_answered=False)
    admission.check_again(now=100.01, objective=102.01)


@pytest.mark.parametrize("options", [{"ready_seconds": 30.0}, {"num_images": 5}, {"num_inside": 2}])
def test_a_slow_image_a_group_and_a_refusal_of_a_server_that_is_soon_idle_are_no_measure(
    options: dict[str, Any],
) -> None:
    admission, _ = refusing(**options)
    admission.check_again(now=100.01, objective=102.01)


def test_a_client_that_comes_back_at_its_time_does_not_meet_the_same_refusal() -> None:
    admission, error = refusing(objective=110.499)  # 1 ms is missing
    now = 100.0 + error.retry_after_seconds
    admission.check_again(now=now, objective=now + 10.499)
