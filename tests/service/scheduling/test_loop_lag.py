"""The lag of the event loop: learnt from its turns, and predicted from the number of requests."""

import asyncio
import time

import pytest

from service.scheduling.loop_lag import HALF_LIFE_SECONDS, MAX_SECONDS_EACH, MIN_REQUESTS, LoopLag
from tests.service.wait import wait_until


class CountingLag(LoopLag):
    """Counts the turns that it learns from, and tells of the third."""

    def __init__(self) -> None:
        super().__init__()
        self.num_turns = 0
        self.has_turned = asyncio.Event()

    def learn(self, lag_seconds: float, num_requests: int) -> None:
        super().learn(lag_seconds, num_requests)
        self.num_turns += 1
        if self.num_turns == 3:
            self.has_turned.set()


def lag_of(num_requests: int) -> LoopLag:
    lag = LoopLag()
    lag.count_requests = lambda: num_requests
    return lag


def hold_up(seconds: float) -> None:
    """Keep the event loop from turning."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() > end)


def test_the_lag_grows_with_the_requests() -> None:
    lag = lag_of(50)
    for _ in range(100):
        lag.learn(0.02, 50)
    assert lag.predict() == pytest.approx(0.02, rel=0.01)
    lag.count_requests = lambda: 150
    assert lag.predict() == pytest.approx(0.06, rel=0.01)


def test_with_few_requests_no_lag_is_predicted() -> None:
    lag = lag_of(MIN_REQUESTS)
    for _ in range(100):
        lag.learn(10.0, MIN_REQUESTS)
    assert lag.predict() > 0
    lag.count_requests = lambda: MIN_REQUESTS - 1
    assert lag.predict() == 0


def test_a_quiet_time_is_forgotten_by_half() -> None:
    lag = lag_of(200)
    for _ in range(100):
        lag.learn(0.1, 100)
    before = lag.predict()
    assert before > 0.1
    lag.forget(HALF_LIFE_SECONDS)
    assert lag.predict() == pytest.approx(before / 2)
    lag.forget(10 * HALF_LIFE_SECONDS)
    assert lag.predict() < 0.001


def test_one_long_turn_is_no_change_of_speed() -> None:
    lag = lag_of(30)
    lag.learn(1000.0, 30)
    assert 0 < lag.predict() < 0.2 * 30 * MAX_SECONDS_EACH


def test_the_lag_falls_when_the_turns_are_short_again() -> None:
    lag = lag_of(50)
    for _ in range(100):
        lag.learn(0.05, 50)
    for _ in range(50):
        lag.learn(0.0, 50)
    assert lag.predict() < 0.001


def test_a_loop_that_turns_slowly_is_measured() -> None:
    async def run() -> None:
        lag = lag_of(MIN_REQUESTS)
        lag.start()
        async with asyncio.timeout(60):
            while not lag.predict():
                hold_up(0.05)
                await asyncio.sleep(0)
        lag.stop()

    asyncio.run(run())


def test_a_loop_is_woken_only_while_it_has_several_requests() -> None:
    async def run() -> None:
        lag = CountingLag()
        lag.count_requests = lambda: MIN_REQUESTS
        lag.start()
        await asyncio.sleep(0.1)
        assert not lag.num_turns
        lag.predict()
        async with asyncio.timeout(60):
            await lag.has_turned.wait()
        lag.count_requests = lambda: 0
        await asyncio.sleep(0.1)
        num_turns = lag.num_turns
        await asyncio.sleep(0.1)
        assert lag.num_turns == num_turns
        lag.stop()

    asyncio.run(run())


def test_the_estimate_halves_while_the_loop_is_quiet() -> None:
    async def run() -> None:
        lag = lag_of(MIN_REQUESTS)
        lag.start()
        for _ in range(100):
            lag.learn(0.01, MIN_REQUESTS)
        lag.predict()
        lag.count_requests = lambda: 0
        await asyncio.sleep(1.5)
        lag.count_requests = lambda: MIN_REQUESTS
        assert lag.predict() < 0.003
        lag.stop()

    asyncio.run(run())


def test_requests_whose_refusal_is_held_back_do_not_count() -> None:
    lag = lag_of(50)
    lag.learn(0.01, 50)
    with_all = lag.predict()
    lag.num_held = 30
    assert lag.predict() == pytest.approx(0.4 * with_all)
