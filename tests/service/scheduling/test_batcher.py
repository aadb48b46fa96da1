"""How the batcher forms batches, driven by events: an engine that runs only when the test lets it."""

import asyncio
from collections.abc import Mapping

import pytest

from service.scheduling.admission import RejectedError
from service.scheduling.batcher import Batcher
from tests.service.scheduling.gated_engine import (
    FAR,
    GatedEngine,
    NumberJob,
    UndecodedJob,
    limits,
    started,
    submit,
    with_batcher,
)


def test_a_lone_image_is_run_at_once() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 7)
        assert await started(engine) == [7]
        engine.permits.release()
        assert await task == 7

    assert with_batcher(test) == [1]


def test_images_that_arrive_during_a_batch_form_the_next_one() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, 1)]
        assert await started(engine) == [1]
        tasks += [submit(batcher, number) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        engine.permits.release()
        assert await started(engine) == [2, 3, 4]
        engine.permits.release()
        assert await asyncio.gather(*tasks) == [1, 2, 3, 4]

    assert with_batcher(test) == [1, 3]


def test_a_batch_is_never_larger_than_max_batch() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        submit(batcher, 1)
        await started(engine)
        tasks = [submit(batcher, number) for number in range(2, 8)]
        await asyncio.sleep(0)
        engine.permits.release(3)
        assert [await started(engine), await started(engine)] == [[2, 3, 4, 5], [6, 7]]
        assert await asyncio.gather(*tasks) == [2, 3, 4, 5, 6, 7]

    assert with_batcher(test) == [1, 4, 2]


def test_images_run_one_by_one_if_a_batch_gains_nothing() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, 1)]
        await started(engine)
        tasks += [submit(batcher, number) for number in (2, 3)]
        await asyncio.sleep(0)
        engine.permits.release(3)
        assert await asyncio.gather(*tasks) == [1, 2, 3]

    costs = {1: 5.0, 2: 10.0, 4: 20.0}  # slower than any real run, so no run makes a batch look worth while
    assert with_batcher(test, costs=costs) == [1, 1, 1]


def test_the_earliest_objective_comes_first_whatever_the_deadline() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        submit(batcher, 1)
        await started(engine)
        urgencies = {2: (30.0, 30.0), 3: (FAR, 29.0), 4: (28.0, 28.0)}
        tasks = [submit(batcher, number, *urgency) for number, urgency in urgencies.items()]
        await asyncio.sleep(0)
        engine.permits.release(100)
        assert [await started(engine) for _ in tasks] == [[4], [3], [2]]
        await asyncio.gather(*tasks)

    with_batcher(test, max_batch=1)


def test_images_that_miss_their_objective_let_others_go_first() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        many = [submit(batcher, number, FAR, 5, is_checked=True) for number in (1, 2, 3, 4)]
        assert await started(engine) == [1]
        await asyncio.sleep(0)
        later = submit(batcher, 5, FAR, 14)  # the second image is predicted for 8 s
        await asyncio.sleep(0)
        engine.permits.release(100)
        assert [await started(engine) for _ in many] == [[5], [2], [3], [4]]
        await asyncio.gather(*many, later)

    with_batcher(test, max_batch=1, seconds=4)


def test_an_image_of_a_disconnected_client_is_not_run() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        disconnected, staying = submit(batcher, 2), submit(batcher, 3)
        await asyncio.sleep(0)
        disconnected.cancel()
        await asyncio.gather(disconnected, return_exceptions=True)
        assert batcher.depth == 1
        engine.permits.release(2)
        assert await started(engine) == [3]
        assert list(await asyncio.gather(first, staying)) == [1, 3]

    with_batcher(test)


def test_a_client_that_disconnects_during_its_batch_does_not_affect_the_others() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        blocking = submit(batcher, 1)
        await started(engine)
        disconnected, staying = submit(batcher, 2), submit(batcher, 3)
        await asyncio.sleep(0)
        engine.permits.release()
        assert await started(engine) == [2, 3]
        disconnected.cancel()
        await asyncio.gather(disconnected, return_exceptions=True)
        engine.permits.release()
        assert list(await asyncio.gather(blocking, staying)) == [1, 3]

    with_batcher(test)


def test_closing_answers_accepted_images_and_accepts_no_more() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, 1)]
        await started(engine)
        tasks.append(submit(batcher, 2))
        await asyncio.sleep(0)
        closing = asyncio.create_task(batcher.close(FAR))
        await asyncio.sleep(0)
        with pytest.raises(RejectedError):
            await submit(batcher, 3)
        engine.permits.release(2)
        assert await asyncio.gather(*tasks) == [1, 2]
        await closing

    assert with_batcher(test) == [1, 1]


def test_each_stream_runs_its_own_batch() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = []
        for number in (1, 2):
            tasks.append(submit(batcher, number))
            assert await started(engine) == [number]
        tasks += [submit(batcher, number) for number in (3, 4)]
        await asyncio.sleep(0)
        assert engine.started.empty()
        engine.permits.release(4)
        assert await asyncio.gather(*tasks) == [1, 2, 3, 4]

    with_batcher(test, num_streams=2)


def test_a_more_urgent_image_replaces_one_in_a_full_batch() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, 1)]
        await started(engine)
        tasks += [submit(batcher, number, FAR - number) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        engine.permits.release(3)
        assert [sorted(await started(engine)), await started(engine)] == [[3, 4], [2]]
        assert await asyncio.gather(*tasks) == [1, 2, 3, 4]

    with_batcher(test, max_batch=2)


@pytest.mark.parametrize(("number", "padded"), [(2, 2), (3, 4), (4, 4)])
def test_a_batch_is_padded_to_a_size_that_the_engine_runs(number: int, padded: int) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        assert await started(engine) == [1]
        tasks = [submit(batcher, n) for n in range(2, 2 + number)]
        await asyncio.sleep(0)
        engine.permits.release(2)
        batch = await started(engine)
        assert (len(batch), batch[:number]) == (padded, list(range(2, 2 + number)))
        assert await asyncio.gather(first, *tasks) == list(range(1, 2 + number))

    assert with_batcher(test, batch_sizes=(1, 2, 4)) == [1, number]


def test_an_idle_engine_waits_for_an_image_that_is_due_if_that_saves_a_batch() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        with batcher.reserve(NumberJob(2), limits(FAR), ready_seconds=1) as ticket:
            task = submit(batcher, 1)
            await asyncio.sleep(0)
            engine.permits.release()
            batcher.submit(ticket)
            assert await batcher.answer(ticket) == 2
        assert await task == 1
        assert sorted(await started(engine)) == [1, 2]

    assert with_batcher(test, costs={1: 20.0, 4: 20.0}) == [2]


def test_an_idle_engine_starts_as_soon_as_the_awaited_image_is_known_to_be_broken() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(NumberJob(0), limits(FAR), ready_seconds=1):
            task = submit(batcher, 1)
            await asyncio.sleep(0)
        assert await task == 1

    with_batcher(test, costs={1: 20.0, 4: 20.0})


@pytest.mark.parametrize(
    ("costs", "ready_seconds"),
    [({1: 20.0, 4: 80.0}, 1.0), ({1: 1.0, 4: 1.0}, 2.0)],
    ids=["nothing to save", "not due in time"],
)
def test_an_idle_engine_does_not_wait_if_waiting_does_not_pay(costs: Mapping[int, float], ready_seconds: float) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(NumberJob(0), limits(FAR), ready_seconds=ready_seconds):
            assert await submit(batcher, 1) == 1

    with_batcher(test, costs=costs)


def test_an_image_that_will_be_late_yields_to_one_that_can_be_in_time() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        with (
            batcher.reserve(NumberJob(2), limits(30)) as late,
            batcher.reserve(NumberJob(3), limits(FAR)) as timely,
        ):
            for _ in range(40):  # since they were accepted, batches have become slow
                batcher._cost.observe(1, 40.0)
            batcher.submit(late)
            batcher.submit(timely)
            engine.permits.release(2)
            assert await started(engine) == [3]
            assert await first == 1
            assert await batcher.answer(timely) == 3
            assert not late.result.done()

    with_batcher(test, seconds=1)


def test_later_images_do_not_make_a_batch_late() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        tasks = [submit(batcher, 2, deadline=20.5), *(submit(batcher, number) for number in (3, 4, 5, 6))]
        await asyncio.sleep(0)
        engine.permits.release(3)
        batches = [sorted(await started(engine)), await started(engine)]
        assert batches == [[2, 3, 4, 5], [6]]  # five at once would take 21 s
        assert await asyncio.gather(first, *tasks) == [1, 2, 3, 4, 5, 6]

    with_batcher(test, max_batch=5, costs={1: 10.0, 2: 14.0, 4: 22.0, 5: 26.0})


def test_an_image_decoded_after_its_client_disconnected_is_not_run() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        with batcher.reserve(NumberJob(1), limits(FAR)) as ticket:
            pass
        batcher.submit(ticket)
        assert batcher.depth == 0
        engine.permits.release()
        assert await submit(batcher, 2) == 2
        assert await started(engine) == [2]

    assert with_batcher(test) == [1]


def test_the_stream_that_runs_an_image_can_decode_it() -> None:
    job = UndecodedJob(7)

    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(job, limits(FAR)) as ticket:
            batcher.submit(ticket)
            assert await batcher.answer(ticket) == 7

    with_batcher(test, num_spare_threads=0)
    assert job.decoded_by == "engine-0"
