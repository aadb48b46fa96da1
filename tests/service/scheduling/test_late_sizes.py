"""Larger batches are measured when the server is ready, on a stream that no image needs."""

import asyncio
import threading

import pytest

from service.scheduling.batcher import Batcher
from service.scheduling.cost_model import CostModel
from tests.service.scheduling.gated_engine import GatedEngine, started, submit, with_batcher
from tests.service.wait import wait_until


def fail(_: int) -> float:
    """A measurement that fails."""
    raise MemoryError


def test_a_measured_size_that_saves_time_is_run() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        engine.permits.release()
        await first
        await asyncio.to_thread(batcher.measure_when_idle, 4, lambda _: 2.0)
        tasks = [submit(batcher, number) for number in range(9)]
        engine.permits.release(9)
        await asyncio.gather(*tasks)

    assert max(with_batcher(test, costs={1: 0.001}, max_queue=16)) == 4


def test_a_measurement_waits_while_images_do() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, number) for number in range(3)]
        await started(engine)
        measured: list[int] = []

        def measure(size: int) -> float:
            measured.append(size)
            return 4.0

        measuring = asyncio.create_task(asyncio.to_thread(batcher.measure_when_idle, 4, measure))
        for _ in tasks[1:]:
            engine.permits.release()
            await started(engine)
            assert not measured
        engine.permits.release()
        await measuring
        assert measured == [4]

    with_batcher(test, costs={1: 0.001})


def test_a_busy_server_measures_all_the_same_when_its_patience_ends() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, number) for number in range(3)]
        await started(engine)
        has_begun, may_end = threading.Event(), threading.Event()

        def measure(_: int) -> float:
            has_begun.set()
            assert may_end.wait(60)
            return 4.0

        measuring = asyncio.create_task(asyncio.to_thread(batcher.measure_when_idle, 4, measure, patience_seconds=0.0))
        while not has_begun.is_set():  # images and the measurement compete for the stream
            tasks += [submit(batcher, 1) for _ in range(2)]
            engine.permits.release()
            await asyncio.to_thread(wait_until, lambda: has_begun.is_set() or not engine.started.empty())
            if not has_begun.is_set():
                await started(engine)
        assert batcher.depth > 0
        may_end.set()
        await measuring
        engine.permits.release(1000)
        await asyncio.gather(*tasks)

    with_batcher(test, costs={1: 0.001}, max_queue=1000)


def test_nothing_is_measured_after_the_end() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        running = submit(batcher, 1)
        await started(engine)
        measuring = asyncio.create_task(asyncio.to_thread(batcher.measure_when_idle, 4, fail))
        closing = asyncio.create_task(batcher.close(60))
        await measuring
        engine.permits.release()
        await asyncio.gather(running, closing)

    with_batcher(test, costs={1: 0.001})


def test_nothing_is_measured_by_an_idle_batcher_that_is_closed() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        await batcher.close(60)
        await asyncio.to_thread(batcher.measure_when_idle, 4, fail)

    with_batcher(test, costs={1: 0.001})


def test_a_measurement_that_fails_leaves_the_stream_free() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        with pytest.raises(MemoryError):
            await asyncio.to_thread(batcher.measure_when_idle, 4, fail)
        engine.permits.release()
        assert await submit(batcher, 7) == 7

    assert with_batcher(test, costs={1: 0.001}) == [1]


def test_beyond_the_largest_known_size_an_image_costs_as_much_as_in_that() -> None:
    cost = CostModel({1: 6.0})
    assert cost.seconds(4) == 24.0
    cost.add(4, 2.0)
    assert [cost.seconds(size) for size in (1, 4, 8)] == [6.0, 12.0, 24.0]
    assert cost.measured_sizes == (1, 4)
