"""Which images the batcher refuses, and when it lets them expire."""

import asyncio
import itertools
import time

import pytest

from service.scheduling.admission import RejectedError
from service.scheduling.batch_run import ExpiredError
from service.scheduling.batcher import Batcher
from tests.service.scheduling.gated_engine import FAR, GatedEngine, NumberJob, started, submit, with_batcher
from tests.service.wait import wait_until


def test_a_full_queue_rejects_with_a_time_to_retry() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, 1)]
        await started(engine)
        tasks += [submit(batcher, number) for number in (2, 3)]
        await asyncio.sleep(0)
        with pytest.raises(RejectedError, match="2 images are waiting") as caught:
            await submit(batcher, 4)
        assert caught.value.reason == "queue_full"
        assert 3 < caught.value.retry_after_seconds <= 4  # when the running batch makes room
        engine.permits.release(2)
        assert await asyncio.gather(*tasks) == [1, 2, 3]

    with_batcher(test, max_queue=2, max_batch=2, seconds=4)


def test_an_image_that_cannot_be_in_time_is_rejected_at_once() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        with pytest.raises(RejectedError, match="deadline") as caught:
            await submit(batcher, 2, deadline=5)
        assert caught.value.reason == "late"
        # the running batch and this image take 4 s each, which is 3 s too many
        assert 2 < caught.value.retry_after_seconds <= 3
        engine.permits.release()
        assert await task == 1

    with_batcher(test, seconds=4)


def test_images_refused_together_get_retry_times_one_after_another() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        told = []
        for number in (2, 3, 4):
            with pytest.raises(RejectedError, match="deadline") as caught:
                await submit(batcher, number, deadline=5)
            told.append(caught.value.retry_after_seconds)
        assert [round(later - earlier) for earlier, later in itertools.pairwise(told)] == [4, 4]
        engine.permits.release()
        assert await task == 1

    with_batcher(test, max_batch=1, seconds=4)


def test_a_passed_deadline_expires_even_while_the_engine_is_stuck() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        with pytest.raises(ExpiredError, match="no answer within"):
            await submit(batcher, 2, deadline=0.02)
        assert batcher.depth == 0
        engine.permits.release()
        assert await task == 1

    assert with_batcher(test) == [1]


def test_an_answer_that_the_event_loop_handles_late_has_expired() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(NumberJob(1), time.monotonic() + 0.5) as ticket:
            batcher.submit(ticket)
            await asyncio.wait([ticket.result])
            wait_until(lambda: time.monotonic() > ticket.deadline)  # holds up the event loop
            with pytest.raises(ExpiredError):
                await batcher.answer(ticket)

    assert with_batcher(test) == [1]


def test_the_prediction_includes_images_that_are_being_decoded() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(NumberJob(0), time.monotonic() + 5), batcher.reserve(NumberJob(0), time.monotonic() + 13):
            with pytest.raises(RejectedError, match="deadline") as caught:
                await submit(batcher, 3, deadline=11)  # the first goes before it, the second does not
            assert caught.value.reason == "late"

    with_batcher(test, max_batch=1, seconds=6)


def test_the_prediction_includes_the_decoding_of_the_image_itself() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(NumberJob(0), time.monotonic() + FAR), pytest.raises(RejectedError, match="would take 9"):
            batcher.reserve(NumberJob(0), time.monotonic() + 8, ready_seconds=3).__enter__()

    with_batcher(test, seconds=6)


def test_an_idle_server_accepts_an_image_whose_prediction_is_late() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        assert await submit(batcher, 1, deadline=30) == 1

    with_batcher(test, seconds=100)
