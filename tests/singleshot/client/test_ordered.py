"""Many runs at once, in order, a bounded number ahead."""

import asyncio
import gc
import itertools
import threading
from collections.abc import AsyncIterator, Iterator

from singleshot.client.ordered import AHEAD, in_order, in_order_async

SECONDS = 30


def test_a_slow_first_run_does_not_stop_the_others() -> None:
    others_done, go = threading.Event(), threading.Event()

    def run(number: int) -> int:
        if number == 0:
            assert go.wait(SECONDS)
        if number == 3:
            others_done.set()
        return number

    runs = in_order(run, range(10), 2)
    first = next(runs)  # taken, not done
    assert others_done.wait(SECONDS)
    go.set()
    assert [first.result(), *(following.result() for following in runs)] == list(range(10))


def test_no_more_items_are_taken_than_twice_the_concurrency() -> None:
    go, taken = threading.Event(), itertools.count()

    def items() -> Iterator[int]:
        while True:
            yield next(taken)

    runs = in_order(lambda _: go.wait(SECONDS), items(), 3)
    next(runs)
    assert next(taken) == AHEAD * 3
    go.set()
    runs.close()


def test_closing_begins_no_further_run() -> None:
    go, begun = threading.Event(), []

    def run(number: int) -> None:
        begun.append(number)
        assert go.wait(SECONDS)

    runs = in_order(run, range(10), 1)
    next(runs)
    threading.Timer(0.05, go.set).start()
    runs.close()
    assert len(begun) < AHEAD


def test_closing_the_async_generator_ends_its_tasks() -> None:
    async def closing() -> int:
        num_ended = 0

        async def run(number: int) -> int:
            nonlocal num_ended
            try:
                if number:
                    await asyncio.Event().wait()
                return number
            finally:
                num_ended += 1

        runs = in_order_async(run, itertools.count(), 3)
        assert (await anext(runs)).result() == 0
        await runs.aclose()
        assert len(asyncio.all_tasks()) == 1
        return num_ended

    assert 1 <= asyncio.run(closing()) <= 4


def test_closing_the_async_generator_asks_for_no_error_of_a_run_that_is_not_taken() -> None:
    async def closing() -> None:
        async def run(number: int) -> None:
            if number:
                raise ValueError(number)

        unhandled: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
        runs = in_order_async(run, range(8), 4)
        await anext(runs)
        await asyncio.sleep(0.01)  # the others fail
        await runs.aclose()
        gc.collect()
        assert unhandled == []

    asyncio.run(closing())


def test_an_async_source_is_taken() -> None:
    async def items() -> AsyncIterator[int]:
        for number in range(5):
            await asyncio.sleep(0)
            yield number

    async def double(number: int) -> int:
        return 2 * number

    async def collect() -> list[int]:
        return [run.result() async for run in in_order_async(double, items(), 2)]

    assert asyncio.run(collect()) == [0, 2, 4, 6, 8]
