"""The costs of batches."""

import threading
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from service.bundle import Bundle
from service.engines.protocol import Candidates, Engine, batch_sizes_up_to
from service.scheduling.cost_model import CostModel, measure_costs, measure_ratio
from tests.fake_engine import FakeEngine


def test_costs_are_interpolated_between_measured_sizes() -> None:
    cost = CostModel({1: 6.0, 5: 10.0})
    assert [cost.seconds(size) for size in (1, 3, 5)] == [6.0, 8.0, 10.0]


def test_the_cost_follows_what_is_observed() -> None:
    cost = CostModel({1: 1.0})
    for _ in range(300):
        cost.observe(1, 2.0)
        cost.observe(2, 3.0)
    assert cost.seconds(1) == pytest.approx(2.0, rel=0.02)
    assert cost.seconds(2) == pytest.approx(3.0, rel=0.02)


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
        ({1: 10.0, 2: 19.9, 4: 39.6, 8: 79.2}, 1),
        ({1: 10.0, 2: 15.0, 4: 28.0, 8: 55.0}, 4),
        ({1: 6.0, 32: 37.0}, 1),
        ({1: 0.020, 4: 0.079}, 4),
    ],
    ids=["as on a GPU", "as on a CPU", "in between", "beyond what is allowed", "so fast that its handling counts"],
)
def test_the_best_size_is_the_smallest_with_nearly_the_best_throughput(costs: dict[int, float], size: int) -> None:
    assert CostModel(costs).best_size(16) == size


def test_one_slow_batch_changes_the_cost_little() -> None:
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
def test_an_image_finishes_after_the_batches_ahead_of_it_on_the_first_free_stream(
    num_ahead: int, streams: list[float], seconds: float
) -> None:
    assert CostModel({1: 6.0, 4: 9.0}).finish_seconds(num_ahead, 4, streams) == pytest.approx(seconds)


def test_every_power_of_two_is_measured(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    cost = measure_costs(tiny_engine, tiny_bundle.manifest.input, batch_sizes_up_to(6))
    assert all(cost.seconds(size) > 0 for size in range(1, 7))


def test_all_streams_are_measured_at_the_same_time(tiny_bundle: Bundle) -> None:
    are_running = threading.Barrier(2, timeout=60)

    class TwoStreams(FakeEngine):
        num_streams = 2

        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            are_running.wait()
            return super().__call__(images)

    measure_costs(TwoStreams(), tiny_bundle.manifest.input, (1, 2, 4), num_streams=2)


def test_one_slow_run_does_not_raise_the_measured_cost(tiny_bundle: Bundle) -> None:
    num_runs = Counter[int]()
    may_go_on = threading.Event()

    class SlowOnce(FakeEngine):
        """Slow in the first run that counts."""

        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            size = len(images)
            num_runs[size] += 1
            if (size, num_runs[size]) == (1, 2):
                may_go_on.wait(0.5)
            return super().__call__(images)

    cost = measure_costs(SlowOnce(), tiny_bundle.manifest.input, (1, 2))
    assert cost.seconds(1) < 0.5


def test_the_cost_of_decoding_is_linear_in_the_number_of_images() -> None:
    cost = CostModel({1: 1.0, 4: 2.0})
    for _ in range(60):
        cost.observe(4, 2.0, decode_seconds=4 * 0.5)
    assert cost.seconds(1) == pytest.approx(1.5, abs=0.01)
    assert cost.seconds(4) == pytest.approx(4.0, abs=0.01)


def test_a_batch_costs_as_much_as_the_size_to_which_it_is_padded() -> None:
    cost = CostModel({1: 1.0, 4: 2.0, 8: 3.0}, batch_sizes=(1, 4, 8))
    assert [cost.seconds(size) for size in (1, 2, 4, 5, 8)] == [1.0, 2.0, 2.0, 3.0, 3.0]
    for _ in range(300):
        cost.observe(3, 4.0)
    assert cost.seconds(2) == cost.seconds(4) == pytest.approx(4.0, rel=0.02)


def test_one_image_that_takes_long_to_decode_changes_the_cost_little() -> None:
    cost = CostModel({1: 1.0})
    cost.observe(1, 1.0, decode_seconds=1000.0)
    assert cost.seconds(1) < 1.5


def test_the_ratio_is_the_median_of_the_turns_without_the_first(tiny_bundle: Bundle) -> None:
    shares = iter([9.0, 0.9, 0.95, *[0.92] * 100])
    ratio = measure_ratio(FakeEngine(), tiny_bundle.manifest.input, 4, lambda _: next(shares))
    assert ratio == pytest.approx(4 * 0.92)


def test_there_is_no_ratio_if_a_turn_cannot_run(tiny_bundle: Bundle) -> None:
    shares = iter([0.9, 0.9, None])
    assert measure_ratio(FakeEngine(), tiny_bundle.manifest.input, 4, lambda _: next(shares)) is None


def test_a_turn_runs_as_many_images_alone_as_together(tiny_bundle: Bundle) -> None:
    sizes: list[int] = []

    class Noting(FakeEngine):
        def __call__(self, images: NDArray[np.uint8]) -> Candidates:
            sizes.append(len(images))
            return super().__call__(images)

    def run(turn: Callable[[], float]) -> float:
        sizes.clear()
        return turn()

    measure_ratio(Noting(), tiny_bundle.manifest.input, 4, run)
    assert sizes == [1, 1, 1, 1, 4]
