"""Larger batches are measured when the server is ready, on a stream that no image needs."""

import asyncio
import threading

import pytest

from service.scheduling.batcher import Batcher
from service.scheduling.cost_model import CostModel
from tests.service.scheduling.gated_engine import GatedEngine, started, submit, with_batcher
from tests.service.wait import wait_until


def fail() -> float:
    """Work that fails."""
    raise MemoryError


def test_a_measured_size_that_saves_time_is_run() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        engine.permits.release()
        await first
        batcher.add_size(4, 2.0)
        tasks = [submit(batcher, number) for number in range(9)]
        engine.permits.release(9)
        await asyncio.gather(*tasks)

    assert max(with_batcher(test, costs={1: 0.001}, max_queue=16)) == 4


def test_work_for_an_idle_stream_waits_while_images_do() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, number) for number in range(3)]
        await started(engine)
        has_run = threading.Event()
        working = asyncio.create_task(asyncio.to_thread(batcher.run_when_idle, has_run.set, 4, patience_seconds=600))
        for _ in tasks[1:]:
            engine.permits.release()
            await started(engine)
            assert not has_run.is_set()
        engine.permits.release()
        await working
        assert has_run.is_set()

    with_batcher(test, costs={1: 0.001})


def test_it_runs_on_a_busy_server_too_when_the_patience_ends() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, number) for number in range(3)]
        await started(engine)
        has_begun, may_end = threading.Event(), threading.Event()

        def work() -> int:
            has_begun.set()
            assert may_end.wait(60)
            return 5

        working = asyncio.create_task(asyncio.to_thread(batcher.run_when_idle, work, 4, patience_seconds=0.0))
        while not has_begun.is_set():  # images and the work compete for the stream
            tasks += [submit(batcher, 1) for _ in range(2)]
            engine.permits.release()
            await asyncio.to_thread(wait_until, lambda: has_begun.is_set() or not engine.started.empty())
            if not has_begun.is_set():
                await started(engine)
        assert batcher.depth > 0
        may_end.set()
        assert await working == 5
        engine.permits.release(1000)
        await asyncio.gather(*tasks)

    with_batcher(test, costs={1: 0.001}, max_queue=1000)


def test_nothing_runs_after_the_end() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        running = submit(batcher, 1)
        await started(engine)
        working = asyncio.create_task(asyncio.to_thread(batcher.run_when_idle, fail, 4))
        closing = asyncio.create_task(batcher.close(60))
        assert await working is None
        engine.permits.release()
        await asyncio.gather(running, closing)

    with_batcher(test, costs={1: 0.001})


def test_nothing_runs_in_an_idle_batcher_that_is_closed() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        await batcher.close(60)
        assert await asyncio.to_thread(batcher.run_when_idle, fail, 4) is None

    with_batcher(test, costs={1: 0.001})


def test_work_that_fails_leaves_the_stream_free() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        with pytest.raises(MemoryError):
            await asyncio.to_thread(batcher.run_when_idle, fail, 4)
        engine.permits.release()
        assert await submit(batcher, 7) == 7

    assert with_batcher(test, costs={1: 0.001}) == [1]


def test_beyond_the_largest_known_size_an_image_costs_as_much_as_in_that() -> None:
    cost = CostModel({1: 6.0})
    assert cost.seconds(4) == 24.0
    cost.add(4, 2.0)
    assert [cost.seconds(size) for size in (1, 4, 8)] == [6.0, 12.0, 24.0]
    assert cost.measured_sizes == (1, 4)
