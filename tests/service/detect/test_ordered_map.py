"""The map over threads: ordered, bounded, and ended by an error."""

import threading
from collections.abc import Iterator

import pytest

from service.detect.ordered_map import AHEAD, ordered_map


def test_results_keep_the_order_of_the_items() -> None:
    is_last_done = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert is_last_done.wait(60)
        if number == 3:
            is_last_done.set()
        return number * number

    assert list(ordered_map(work, iter(range(100)), 2)) == [number * number for number in range(100)]


def test_items_are_taken_a_bounded_number_ahead() -> None:
    num_taken = 0

    def items() -> Iterator[int]:
        nonlocal num_taken
        for number in range(1000):
            num_taken += 1
            yield number

    results = ordered_map(lambda number: number, items(), 2)
    for number in range(10):
        assert next(results) == number
        assert num_taken <= number + 1 + 2 * (1 + AHEAD)
    results.close()  # type: ignore[attr-defined]


def test_an_error_comes_in_its_place_and_ends_the_work() -> None:
    done: list[int] = []

    def work(number: int) -> int:
        if number == 5:
            raise ValueError("five")
        done.append(number)
        return number

    results = ordered_map(work, iter(range(1000)), 1)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert len(done) < 20


def test_heavy_items_are_taken_one_at_a_time() -> None:
    num_taken = 0

    def items() -> Iterator[int]:
        nonlocal num_taken
        for number in range(50):
            num_taken += 1
            yield number

    for number, result in enumerate(
        ordered_map(lambda number: number, items(), 8, weight=lambda _: 60, max_weight=100)
    ):
        assert result == number
        assert num_taken <= number + 2
