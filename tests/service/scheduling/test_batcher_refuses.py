"""Which images the batcher refuses, and when it lets them expire."""

import asyncio
import itertools
import time

import pytest

from service.scheduling import batcher as batcher_module
from service.scheduling.admission import RejectedError
from service.scheduling.batcher import Batcher
from service.scheduling.ticket import ExpiredError
from tests.service.scheduling.gated_engine import FAR, GatedEngine, NumberJob, limits, started, submit, with_batcher
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
        with pytest.raises(RejectedError, match="should be answered in") as caught:
            await submit(batcher, 2, deadline=5)
        assert caught.value.reason == "late"
        # the running batch and this image take 4 s each, which is 3 s too many
        assert 2 < caught.value.retry_after_seconds <= 3
        engine.permits.release()
        assert await task == 1

    with_batcher(test, seconds=4)


def test_an_image_that_would_miss_its_objective_is_rejected_although_its_deadline_is_far() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        with pytest.raises(RejectedError, match=r"would take .* should be answered in 5 s") as caught:
            await submit(batcher, 2, FAR, objective=5)
        assert caught.value.reason == "late"
        assert 2 < caught.value.retry_after_seconds <= 3
        later = submit(batcher, 3, FAR, objective=9)
        engine.permits.release(2)
        assert [await task, await later] == [1, 3]

    with_batcher(test, seconds=4)


def test_an_idle_batcher_takes_all_images_of_a_request_and_a_busy_one_those_that_are_in_time() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        batcher.check(time.monotonic() + 5, num_images=100)
        tasks = [submit(batcher, number, FAR, 5, is_checked=True) for number in range(1, 5)]
        await started(engine)
        await asyncio.sleep(0)
        batcher.check(time.monotonic() + 25, num_images=3)
        with pytest.raises(RejectedError, match="would take 2") as caught:
            batcher.check(time.monotonic() + 25, num_images=4)
        assert caught.value.reason == "late"
        with pytest.raises(RejectedError, match="3 images are waiting") as caught:
            batcher.check(time.monotonic() + FAR, num_images=6)
        assert caught.value.reason == "queue_full"
        engine.permits.release(4)
        assert await asyncio.gather(*tasks) == [1, 2, 3, 4]

    with_batcher(test, max_batch=1, seconds=4, max_queue=8)


def test_a_batcher_says_that_it_refuses_from_the_first_refusal_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        assert not batcher.is_refusing
        with pytest.raises(RejectedError):
            await submit(batcher, 2, deadline=5)
        assert batcher.is_refusing
        monkeypatch.setattr(batcher_module, "REFUSING_SECONDS", 0.0)
        assert not batcher.is_refusing
        engine.permits.release()
        assert await task == 1

    with_batcher(test, seconds=4)


def test_a_closed_batcher_says_so() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        closing = asyncio.create_task(batcher.close(FAR))
        await asyncio.sleep(0)
        with pytest.raises(RejectedError, match="the model is being closed") as caught:
            await submit(batcher, 2)
        assert caught.value.reason == "closing"
        engine.permits.release()
        assert await task == 1
        await closing

    with_batcher(test)


def test_images_refused_together_get_retry_times_one_after_another() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 1)
        await started(engine)
        told = []
        for number in (2, 3, 4):
            with pytest.raises(RejectedError, match="should be answered in") as caught:
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
        with batcher.reserve(NumberJob(1), limits(0.5)) as ticket:
            batcher.submit(ticket)
            await asyncio.wait([ticket.result])
            wait_until(lambda: time.monotonic() > ticket.deadline)  # holds up the event loop
            with pytest.raises(ExpiredError):
                await batcher.answer(ticket)

    assert with_batcher(test) == [1]


def test_the_prediction_includes_images_that_are_being_decoded() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(NumberJob(0), limits(5)), batcher.reserve(NumberJob(0), limits(13)):
            with pytest.raises(RejectedError, match="should be answered in") as caught:
                await submit(batcher, 3, deadline=11)  # the first goes before it, the second does not
            assert caught.value.reason == "late"

    with_batcher(test, max_batch=1, seconds=6)


def test_the_prediction_includes_the_decoding_of_the_image_itself() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(NumberJob(0), limits(FAR)), pytest.raises(RejectedError, match="would take 9"):
            batcher.reserve(NumberJob(0), limits(8), ready_seconds=3).__enter__()

    with_batcher(test, seconds=6)


def test_an_idle_server_accepts_an_image_whose_prediction_is_late() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        assert await submit(batcher, 1, deadline=30) == 1

    with_batcher(test, seconds=100)
