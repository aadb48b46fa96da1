"""The lag of the event loop: learnt from its turns, and predicted from the number of requests."""

import asyncio
import time

import pytest

from service.scheduling.loop_lag import MAX_SECONDS_EACH, MIN_REQUESTS, LoopLag
from tests.service.wait import wait_until


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


def test_with_few_requests_nothing_is_learnt_and_no_lag_is_predicted() -> None:
    lag = lag_of(MIN_REQUESTS - 1)
    for _ in range(100):
        lag.learn(10.0, MIN_REQUESTS - 1)
    assert lag.predict() == 0
    lag.count_requests = lambda: MIN_REQUESTS
    assert lag.predict() == 0


def test_an_idle_loop_forgets() -> None:
    lag = lag_of(200)
    for _ in range(100):
        lag.learn(0.1, 100)
    assert lag.predict() > 0.1
    for _ in range(600):
        lag.learn(0.0, 0)
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
