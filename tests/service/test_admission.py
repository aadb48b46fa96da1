"""The cost model and the budget of pixels."""

import threading

import numpy as np
import pytest
from numpy.typing import NDArray

from service.admission import BudgetExceededError, CostModel, PixelBudget, measure_costs
from service.bundle import Bundle
from service.engine import Candidates, Engine


def test_sizes_between_the_measured_ones_lie_on_a_line() -> None:
    cost = CostModel({1: 6.0, 5: 10.0})
    assert [cost.seconds(size) for size in (1, 3, 5)] == [6.0, 8.0, 10.0]


def test_the_cost_follows_what_is_observed() -> None:
    cost = CostModel({1: 1.0})
    for _ in range(30):
        cost.observe(1, 2.0)
        cost.observe(2, 3.0)
    assert cost.seconds(1) == pytest.approx(2.0, abs=0.01)
    assert cost.seconds(2) == pytest.approx(3.0, abs=0.01)


def test_all_sizes_follow_when_one_slows_down() -> None:
    cost = CostModel({1: 1.0, 4: 2.0})
    for _ in range(30):
        cost.observe(4, 4.0)
    assert cost.seconds(4) == pytest.approx(4.0, rel=0.01)
    assert 1.1 < cost.seconds(1) < 2.0


@pytest.mark.parametrize(
    ("costs", "size"),
    [
        ({n: n + 5.0 for n in (1, 2, 4, 8, 16)}, 16),
        ({1: 10.0, 2: 19.8, 4: 39.0, 8: 78.0}, 1),
        ({1: 10.0, 2: 15.0, 4: 28.0, 8: 55.0}, 4),
        ({1: 6.0, 32: 37.0}, 1),
    ],
    ids=["as on a GPU", "as on a CPU", "in between", "beyond what is allowed"],
)
def test_a_batch_is_as_large_as_pays(costs: dict[int, float], size: int) -> None:
    assert CostModel(costs).best_size(16) == size


def test_a_hiccup_is_no_change_of_speed() -> None:
    cost = CostModel({1: 1.0})
    cost.observe(1, 1000.0)
    assert cost.seconds(1) < 1.5


@pytest.mark.parametrize(
    ("num_ahead", "streams", "seconds"),
    [
        (0, [0.0], 6.0),
        (3, [0.0], 9.0),
        (4, [0.0], 9.0 + 6.0),
        (9, [2.0], 2.0 + 2 * 9.0 + 7.0),
        (0, [5.0, 1.0], 1.0 + 6.0),
        (4, [5.0, 1.0], 5.0 + 6.0),
        (8, [5.0, 1.0], 10.0 + 6.0),
    ],
)
def test_an_image_finishes_after_the_batches_before_it_on_the_stream_that_is_free_first(
    num_ahead: int, streams: list[float], seconds: float
) -> None:
    assert CostModel({1: 6.0, 4: 9.0}).finish_seconds(num_ahead, 4, streams) == pytest.approx(seconds)


def test_every_power_of_two_is_measured(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    cost = measure_costs(tiny_engine, tiny_bundle.manifest.input, max_batch=6)
    assert all(cost.seconds(size) > 0 for size in range(1, 7))


def test_streams_are_measured_all_at_once(tiny_bundle: Bundle) -> None:
    are_running = threading.Barrier(2, timeout=60)

    class Engine:
        name = description = "two streams"

        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            are_running.wait()
            size = len(images)
            return Candidates(
                np.zeros((size, 1, 4), np.float32), np.zeros((size, 1), np.float32), np.zeros((size, 1), np.int32)
            )

        def close(self) -> None:
            pass

    measure_costs(Engine(), tiny_bundle.manifest.input, max_batch=4, num_streams=2)


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
