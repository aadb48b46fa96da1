"""What a failing engine, a broken image or a stuck batch does to the others."""

import asyncio

import pytest

from service.engines.protocol import ImageCandidates
from service.scheduling.batch_run import BatchFailedError
from service.scheduling.batcher import Batcher
from tests.service.scheduling.gated_engine import (
    FAR,
    UNLUCKY,
    BrokenJob,
    GatedEngine,
    NumberJob,
    limits,
    started,
    submit,
    with_batcher,
)
from tests.service.wait import wait_until


def test_a_failing_engine_fails_only_its_batch(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        failing = submit(batcher, UNLUCKY)
        await started(engine)
        next_one = submit(batcher, 2)
        engine.permits.release(2)
        with pytest.raises(BatchFailedError, match="RuntimeError"):
            await failing
        assert await next_one == 2

    with_batcher(test)
    assert "the engine failed on a batch of 1" in caplog.text


def test_images_that_do_not_fit_into_one_batch_fail_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release(2)
        assert await submit(batcher, 1) == 1
        with batcher.reserve(NumberJob(0, shape=(2, 5, 3)), limits(FAR)) as ticket:
            batcher.submit(ticket)  # the others are 1 by 1
            with pytest.raises(BatchFailedError, match="ValueError"):
                await batcher.answer(ticket)
        assert batcher.failures_in_a_row == 1
        assert await submit(batcher, 2) == 2

    assert with_batcher(test, num_spare_threads=0) == [1, 1]  # one thread has one buffer
    assert "the engine failed on a batch of 1" in caplog.text


def test_a_result_that_cannot_be_finished_fails_alone() -> None:
    class UnfinishedJob(NumberJob):
        def finish(self, candidates: ImageCandidates, *run: float) -> float:
            return super().finish(candidates, *run) / 0

    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        with batcher.reserve(UnfinishedJob(3), limits(FAR)) as ticket:
            second = submit(batcher, 2)
            engine.permits.release(3)
            batcher.submit(ticket)
            with pytest.raises(ZeroDivisionError):
                await batcher.answer(ticket)
        assert list(await asyncio.gather(first, second)) == [1, 2]

    with_batcher(test)


def test_the_error_of_an_undecodable_image_reaches_its_request() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(NumberJob(0), limits(FAR)) as ticket:
            await asyncio.to_thread(batcher.fail, ticket, ValueError("no image"))
            with pytest.raises(ValueError, match="no image"):
                await batcher.answer(ticket)

    assert with_batcher(test) == []


def test_failures_are_counted_until_a_batch_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release(3)
        for number, failures in ((UNLUCKY, 1), (UNLUCKY, 2), (1, 0)):
            await asyncio.gather(submit(batcher, number), return_exceptions=True)
            assert batcher.failures_in_a_row == failures

    with_batcher(test)
    assert len(caplog.records) == 2


def test_an_overdue_batch_is_noticed() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        assert batcher.longest_overdue_seconds() < 0
        task = submit(batcher, 1)
        await started(engine)
        await asyncio.to_thread(wait_until, lambda: batcher.longest_overdue_seconds() > 0)
        engine.permits.release()
        await task
        assert batcher.longest_overdue_seconds() < 0

    with_batcher(test)


def test_an_image_that_the_stream_cannot_decode_fails_alone() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        running = submit(batcher, 1)
        assert await started(engine) == [1]
        with batcher.reserve(BrokenJob(0), limits(FAR)) as ticket:
            batcher.submit(ticket)
            others = [submit(batcher, number) for number in (2, 3)]
            await asyncio.sleep(0)
            engine.permits.release(2)
            with pytest.raises(ValueError, match="a broken image"):
                await batcher.answer(ticket)
        assert await asyncio.gather(running, *others) == [1, 2, 3]

    assert with_batcher(test, num_spare_threads=0) == [1, 2]


def test_a_batch_of_broken_images_does_not_reach_the_engine() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(BrokenJob(0), limits(FAR)) as ticket:
            batcher.submit(ticket)
            with pytest.raises(ValueError, match="a broken image"):
                await batcher.answer(ticket)
        assert batcher.failures_in_a_row == 0

    assert with_batcher(test) == []


def test_a_batch_of_broken_images_does_not_reset_the_count_of_failures(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with pytest.raises(BatchFailedError):
            await submit(batcher, UNLUCKY)
        with batcher.reserve(BrokenJob(0), limits(FAR)) as ticket:
            batcher.submit(ticket)
            with pytest.raises(ValueError, match="a broken image"):
                await batcher.answer(ticket)
        assert batcher.failures_in_a_row == 1

    with_batcher(test)
    assert "the engine failed" in caplog.text
