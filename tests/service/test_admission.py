"""The cost model and the budget of pixels."""

import pytest

from service.admission import BudgetExceededError, CostModel, PixelBudget, measure_costs
from service.bundle import Bundle
from service.engine import Engine


def test_sizes_between_the_measured_ones_lie_on_a_line() -> None:
    cost = CostModel({1: 6.0, 5: 10.0})
    assert [cost.seconds(size) for size in (1, 3, 5)] == [6.0, 8.0, 10.0]


def test_the_cost_follows_what_is_observed() -> None:
    cost = CostModel({1: 1.0})
    for _ in range(30):
        cost.observe(1, 2.0)
        cost.observe(2, 3.0)
    assert cost.seconds(1) == pytest.approx(2.0, abs=0.01)
    assert cost.seconds(2) == pytest.approx(3.0)


@pytest.mark.parametrize(("num_ahead", "seconds"), [(0, 6.0), (3, 9.0), (4, 9.0 + 6.0), (9, 2 * 9.0 + 7.0)])
def test_an_image_finishes_after_the_full_batches_before_it_and_its_own(num_ahead: int, seconds: float) -> None:
    assert CostModel({1: 6.0, 4: 9.0}).finish_seconds(num_ahead, max_batch=4) == pytest.approx(seconds)


def test_every_power_of_two_is_measured(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    cost = measure_costs(tiny_engine, tiny_bundle.manifest.input, max_batch=6)
    assert all(cost.seconds(size) > 0 for size in range(1, 7))


def test_the_budget_is_given_back() -> None:
    budget = PixelBudget(100)
    for _ in range(3):
        with budget.reserved(60), budget.reserved(40):
            assert budget.pixels == 100
    assert budget.pixels == 0


def test_an_image_over_the_budget_waits_for_no_one_but_is_refused() -> None:
    budget = PixelBudget(100)
    with budget.reserved(60), pytest.raises(BudgetExceededError, match="60 pixels"), budget.reserved(41):
        pass


def test_an_image_alone_is_let_in_whatever_its_size() -> None:
    budget = PixelBudget(100)
    with budget.reserved(1000):
        assert budget.pixels == 1000
