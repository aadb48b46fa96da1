"""The timer that is cheap to set again."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import uvloop

from service.transport.lazy_timer import LazyTimer


class Bell:
    """When it was rung."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.has_rung = asyncio.Event()

    def ring(self) -> None:
        self.times.append(asyncio.get_running_loop().time())
        self.has_rung.set()

    async def next_time(self) -> float:
        async with asyncio.timeout(30):
            await self.has_rung.wait()
        self.has_rung.clear()
        return self.times[-1]


def with_timer(test: Callable[[LazyTimer, Bell], Awaitable[None]]) -> None:
    async def run() -> None:
        bell = Bell()
        await test(LazyTimer(bell.ring), bell)

    asyncio.run(run())


def test_it_rings_once_when_its_time_is_over() -> None:
    async def test(timer: LazyTimer, bell: Bell) -> None:
        start = asyncio.get_running_loop().time()
        timer.set(0.02)
        assert timer.is_set
        assert await bell.next_time() - start >= 0.02
        assert not timer.is_set
        await asyncio.sleep(0.05)
        assert len(bell.times) == 1

    with_timer(test)


def test_a_cleared_or_cancelled_timer_does_not_ring() -> None:
    async def test(timer: LazyTimer, bell: Bell) -> None:
        timer.set(0.001)
        timer.clear()
        assert not timer.is_set
        await asyncio.sleep(0.02)
        timer.set(0.001)
        timer.cancel()
        await asyncio.sleep(0.02)
        assert not bell.times

    with_timer(test)


def test_the_time_that_was_set_last_counts() -> None:
    async def test(timer: LazyTimer, bell: Bell) -> None:
        start = asyncio.get_running_loop().time()
        timer.set(0.001)
        timer.clear()
        timer.set(0.05)
        assert await bell.next_time() - start >= 0.05
        timer.set(1000)
        timer.set(0.001)
        await bell.next_time()

    with_timer(test)


def test_it_can_be_set_again_when_it_is_about_to_ring() -> None:
    """uvloop's handle of a timer that is due within half a millisecond does not know its time."""

    async def run() -> int:
        bell = Bell()
        timer = LazyTimer(bell.ring)
        chance = random.Random(0)
        for _ in range(2000):
            timer.set(chance.choice([0.0001, 0.0004, 0.001, 0.01]))
            if chance.random() < 0.3:
                timer.clear()
            await asyncio.sleep(chance.choice([0, 0, 0.0003]))
        return len(bell.times)

    assert uvloop.run(run())
