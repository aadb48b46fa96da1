"""The batcher, driven by events: an engine that runs only when the test lets it."""

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engines.engine import Candidates
from service.scheduling.admission import RejectedError
from service.scheduling.assembly import Answer
from service.scheduling.batcher import Batcher, ExpiredError
from service.scheduling.cost_model import CostModel
from service.scheduling.results import BatchFailedError
from tests.service.wait import wait_until

FAR = 60.0  # seconds; a deadline that no test reaches


class GatedEngine:
    """Reports each batch that it is given as the list of its images' first pixels, and runs it when it gets a permit."""

    name = "gated"
    description = "test"

    def __init__(self) -> None:
        self.started: queue.Queue[list[int]] = queue.Queue()
        self.permits = threading.Semaphore(0)

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        first = images[:, 0, 0, 0]
        self.started.put(first.tolist())
        assert self.permits.acquire(timeout=FAR)
        if 13 in first:
            raise RuntimeError("13")
        scores = first[:, None].astype(np.float32)
        return Candidates(np.zeros((len(images), 1, 4), np.float32), scores, np.zeros((len(images), 1), np.int32))

    def close(self) -> None:
        pass


def image(number: int) -> NDArray[np.uint8]:
    return np.full((1, 1, 3), number, np.uint8)


async def started(engine: GatedEngine) -> list[int]:
    """The next batch that the engine begins."""
    return await asyncio.to_thread(engine.started.get, timeout=FAR)


def with_batcher(
    test: Callable[[Batcher, GatedEngine], Awaitable[None]],
    *,
    max_batch: int = 4,
    max_queue: int = 8,
    seconds: float = 0.001,
    costs: Mapping[int, float] | None = None,
    num_streams: int = 1,
    num_spare_threads: int = 2,
    batch_sizes: Sequence[int] | None = None,
) -> list[int]:
    """Run `test` with a batcher whose batches are predicted to take `seconds`, or `costs` by size -> the sizes that ran."""
    sizes: list[int] = []

    async def run() -> None:
        engine = GatedEngine()
        cost = CostModel(costs or {1: seconds, max_batch: seconds})
        batcher = Batcher(
            engine,
            cost,
            num_streams=num_streams,
            num_spare_threads=num_spare_threads,
            max_batch=max_batch,
            max_queue=max_queue,
            batch_sizes=batch_sizes,
            on_batch=lambda size, _: sizes.append(size),
        )
        batcher.start()
        await test(batcher, engine)
        engine.permits.release(100)
        await batcher.close(FAR)

    asyncio.run(run())
    return sizes


def first_score(answer: Answer) -> float:
    return float(answer.scores[0])


def submit(batcher: Batcher, number: int, deadline: float = FAR) -> asyncio.Task[float]:
    """Submit an image whose answer's score is `number`."""

    async def score() -> float:
        with batcher.reserve(time.monotonic() + deadline) as place:
            batcher.submit(place, image(number), first_score)
            return float(await batcher.answer(place))

    return asyncio.create_task(score())


def test_a_lone_image_is_run_at_once() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        task = submit(batcher, 7)
        assert await started(engine) == [7]
        engine.permits.release()
        assert await task == 7

    assert with_batcher(test) == [1]


def test_images_that_come_during_a_batch_form_the_next() -> None:
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


def test_images_run_one_by_one_where_a_batch_gains_nothing() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        tasks = [submit(batcher, 1)]
        await started(engine)
        tasks += [submit(batcher, number) for number in (2, 3)]
        await asyncio.sleep(0)
        engine.permits.release(3)
        assert await asyncio.gather(*tasks) == [1, 2, 3]

    assert with_batcher(test, costs={1: 5.0, 2: 10.0, 4: 20.0}) == [
        1,
        1,
        1,
    ]  # slower than any real run: none looks like a gain


def test_the_earliest_deadline_comes_first() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        submit(batcher, 1)
        await started(engine)
        tasks = [submit(batcher, number, FAR - number) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        engine.permits.release(100)
        assert [await started(engine) for _ in tasks] == [[4], [3], [2]]
        await asyncio.gather(*tasks)

    with_batcher(test, max_batch=1)


def test_a_departed_client_is_not_run() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        departed, staying = submit(batcher, 2), submit(batcher, 3)
        await asyncio.sleep(0)
        departed.cancel()
        await asyncio.gather(departed, return_exceptions=True)
        assert batcher.depth == 1
        engine.permits.release(2)
        assert await started(engine) == [3]
        assert await asyncio.gather(first, staying) == [1, 3]

    with_batcher(test)


def test_a_client_that_departs_during_its_batch_harms_nobody() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        blocking = submit(batcher, 1)
        await started(engine)
        departed, staying = submit(batcher, 2), submit(batcher, 3)
        await asyncio.sleep(0)
        engine.permits.release()
        assert await started(engine) == [2, 3]
        departed.cancel()
        await asyncio.gather(departed, return_exceptions=True)
        engine.permits.release()
        assert await asyncio.gather(blocking, staying) == [1, 3]

    with_batcher(test)


def test_a_full_queue_rejects_and_says_when_to_come_again() -> None:
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
        assert (
            2 < caught.value.retry_after_seconds <= 3
        )  # 4 s for the running batch and 4 s for this image are 3 s too many
        engine.permits.release()
        assert await task == 1

    with_batcher(test, seconds=4)


def test_those_refused_together_are_told_to_come_one_after_another() -> None:
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


def test_an_answer_that_comes_late_to_the_event_loop_has_expired() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(time.monotonic() + 0.5) as place:
            batcher.submit(place, image(1), first_score)
            await asyncio.wait([place.result])
            wait_until(lambda: time.monotonic() > place.deadline)  # holds up the event loop
            with pytest.raises(ExpiredError):
                await batcher.answer(place)

    assert with_batcher(test) == [1]


def test_a_failing_engine_fails_only_its_batch(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        failing = submit(batcher, 13)
        await started(engine)
        next_one = submit(batcher, 2)
        engine.permits.release(2)
        with pytest.raises(BatchFailedError, match="RuntimeError"):
            await failing
        assert await next_one == 2

    with_batcher(test)
    assert "the engine failed on a batch of 1" in caplog.text


def test_images_that_cannot_be_put_together_fail_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release(2)
        assert await submit(batcher, 1) == 1
        with batcher.reserve(time.monotonic() + FAR) as place:
            batcher.submit(place, np.zeros((2, 5, 3), np.uint8), first_score)  # the others are 1 by 1
            with pytest.raises(BatchFailedError, match="ValueError"):
                await batcher.answer(place)
        assert batcher.failures_in_a_row == 1
        assert await submit(batcher, 2) == 2

    assert with_batcher(test, num_spare_threads=0) == [1, 1]  # one thread has one buffer
    assert "the engine failed on a batch of 1" in caplog.text


def test_closing_answers_what_was_taken_and_takes_no_more() -> None:
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


def test_each_stream_runs_a_batch_of_its_own() -> None:
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


def test_a_more_urgent_image_takes_the_place_of_one_already_in_the_full_batch() -> None:
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


def test_an_idle_engine_waits_for_an_image_that_is_due_and_saves_a_batch() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        with batcher.reserve(time.monotonic() + FAR, ready_seconds=1) as place:
            task = submit(batcher, 1)
            await asyncio.sleep(0)
            engine.permits.release()
            batcher.submit(place, image(2), first_score)
            assert await batcher.answer(place) == 2
        assert await task == 1
        assert sorted(await started(engine)) == [1, 2]

    assert with_batcher(test, costs={1: 20.0, 4: 20.0}) == [2]


def test_an_idle_engine_begins_as_soon_as_the_awaited_image_turns_out_broken() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(time.monotonic() + FAR, ready_seconds=1):
            task = submit(batcher, 1)
            await asyncio.sleep(0)
        assert await task == 1

    with_batcher(test, costs={1: 20.0, 4: 20.0})


@pytest.mark.parametrize(
    ("costs", "ready_seconds"),
    [({1: 20.0, 4: 80.0}, 1.0), ({1: 1.0, 4: 1.0}, 2.0)],
    ids=["nothing to save", "not due in time"],
)
def test_an_idle_engine_waits_for_nothing_that_does_not_pay(costs: Mapping[int, float], ready_seconds: float) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(time.monotonic() + FAR, ready_seconds=ready_seconds):
            assert await submit(batcher, 1) == 1

    with_batcher(test, costs=costs)


def test_images_being_decoded_count_in_what_is_predicted() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(time.monotonic() + 5), batcher.reserve(time.monotonic() + 13):
            with pytest.raises(RejectedError, match="deadline") as caught:
                await submit(batcher, 3, deadline=11)  # the first goes before it, the second does not
            assert caught.value.reason == "late"

    with_batcher(test, max_batch=1, seconds=6)


def test_its_own_decoding_counts_in_what_is_predicted() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(time.monotonic() + FAR), pytest.raises(RejectedError, match="would take 9"):
            batcher.reserve(time.monotonic() + 8, ready_seconds=3).__enter__()

    with_batcher(test, seconds=6)


def test_an_empty_server_takes_on_what_it_once_found_too_slow() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        assert await submit(batcher, 1, deadline=30) == 1

    with_batcher(test, seconds=100)


def test_what_cannot_be_in_time_gives_way_to_what_can() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        with batcher.reserve(time.monotonic() + 30) as late, batcher.reserve(time.monotonic() + FAR) as timely:
            for _ in range(40):  # since they were taken on, batches have become slow
                batcher._cost.observe(1, 40.0)
            batcher.submit(late, image(2), first_score)
            batcher.submit(timely, image(3), first_score)
            engine.permits.release(2)
            assert await started(engine) == [3]
            assert await first == 1
            assert await batcher.answer(timely) == 3
            assert not late.result.done()

    with_batcher(test, seconds=1)


def test_what_came_later_does_not_make_a_batch_late() -> None:
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


def test_a_result_that_cannot_be_finished_fails_alone() -> None:
    def unlucky(answer: Answer) -> float:
        return first_score(answer) / 0

    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        first = submit(batcher, 1)
        await started(engine)
        with batcher.reserve(time.monotonic() + FAR) as place:
            second = submit(batcher, 2)
            engine.permits.release(3)
            batcher.submit(place, image(3), unlucky)
            with pytest.raises(ZeroDivisionError):
                await batcher.answer(place)
        assert await asyncio.gather(first, second) == [1, 2]

    with_batcher(test)


def test_an_image_that_cannot_be_decoded_says_so_to_whoever_waits() -> None:
    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(time.monotonic() + FAR) as place:
            await asyncio.to_thread(batcher.fail, place, ValueError("no image"))
            with pytest.raises(ValueError, match="no image"):
                await batcher.answer(place)

    assert with_batcher(test) == []


def test_what_is_decoded_after_its_client_departed_is_left_out() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        with batcher.reserve(time.monotonic() + FAR) as place:
            pass
        batcher.submit(place, image(1), first_score)
        assert batcher.depth == 0
        engine.permits.release()
        assert await submit(batcher, 2) == 2
        assert await started(engine) == [2]

    assert with_batcher(test) == [1]


def test_failures_are_counted_until_a_batch_goes_well(caplog: pytest.LogCaptureFixture) -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release(3)
        for number, failures in ((13, 1), (13, 2), (1, 0)):
            await asyncio.gather(submit(batcher, number), return_exceptions=True)
            assert batcher.failures_in_a_row == failures

    with_batcher(test)
    assert len(caplog.records) == 2


def test_a_batch_that_takes_far_too_long_is_noticed() -> None:
    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        assert batcher.longest_overdue_seconds() < 0
        task = submit(batcher, 1)
        await started(engine)
        await asyncio.to_thread(wait_until, lambda: batcher.longest_overdue_seconds() > 0)
        engine.permits.release()
        await task
        assert batcher.longest_overdue_seconds() < 0

    with_batcher(test)


def test_an_image_may_be_decoded_by_the_stream_that_runs_it() -> None:
    decoded_by = []

    def decode() -> NDArray[np.uint8]:
        decoded_by.append(threading.current_thread().name)
        return image(7)

    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with batcher.reserve(time.monotonic() + FAR) as place:
            batcher.submit(place, decode, first_score)
            assert await batcher.answer(place) == 7

    with_batcher(test, num_spare_threads=0)
    assert decoded_by == ["engine-0"]


def test_an_image_that_the_stream_cannot_decode_fails_alone() -> None:
    def decode() -> NDArray[np.uint8]:
        raise ValueError("a broken picture")

    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        running = submit(batcher, 1)
        assert await started(engine) == [1]
        with batcher.reserve(time.monotonic() + FAR) as place:
            batcher.submit(place, decode, first_score)
            others = [submit(batcher, number) for number in (2, 3)]
            await asyncio.sleep(0)
            engine.permits.release(2)
            with pytest.raises(ValueError, match="a broken picture"):
                await batcher.answer(place)
        assert await asyncio.gather(running, *others) == [1, 2, 3]

    assert with_batcher(test, num_spare_threads=0) == [1, 2]


def test_a_batch_of_broken_images_does_not_reach_the_engine() -> None:
    def decode() -> NDArray[np.uint8]:
        raise ValueError("a broken picture")

    async def test(batcher: Batcher, _: GatedEngine) -> None:
        with batcher.reserve(time.monotonic() + FAR) as place:
            batcher.submit(place, decode, first_score)
            with pytest.raises(ValueError, match="a broken picture"):
                await batcher.answer(place)
        assert batcher.failures_in_a_row == 0

    assert with_batcher(test) == []


def test_a_batch_of_broken_images_does_not_make_a_failing_engine_look_well(caplog: pytest.LogCaptureFixture) -> None:
    def decode() -> NDArray[np.uint8]:
        raise ValueError("a broken picture")

    async def test(batcher: Batcher, engine: GatedEngine) -> None:
        engine.permits.release()
        with pytest.raises(BatchFailedError):
            await submit(batcher, 13)
        with batcher.reserve(time.monotonic() + FAR) as place:
            batcher.submit(place, decode, first_score)
            with pytest.raises(ValueError, match="a broken picture"):
                await batcher.answer(place)
        assert batcher.failures_in_a_row == 1

    with_batcher(test)
    assert "the engine failed" in caplog.text
