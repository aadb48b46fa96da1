"""The batcher, driven by events: an engine that runs only when the test lets it."""

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from service.admission import CostModel
from service.batcher import Batcher, BatchFailedError, ExpiredError, RejectedError
from service.engine import Candidates

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
    test: Callable[[Batcher, GatedEngine], Awaitable[None]], *, max_batch: int = 4, max_queue: int = 8, seconds: float = 0.001
) -> list[int]:
    """Run `test` with a batcher whose batches are predicted to take `seconds` -> the sizes of the batches that ran."""
    sizes: list[int] = []

    async def run() -> None:
        engine = GatedEngine()
        cost = CostModel({1: seconds, max_batch: seconds})
        batcher = Batcher(engine, cost, max_batch=max_batch, max_queue=max_queue, on_batch=lambda size, _: sizes.append(size))
        batcher.start()
        await test(batcher, engine)
        engine.permits.release(100)
        await batcher.close(FAR)

    asyncio.run(run())
    return sizes


def submit(batcher: Batcher, number: int, deadline: float = FAR) -> asyncio.Task[float]:
    """Submit an image whose answer's score is `number`."""

    async def score() -> float:
        answer = await batcher.submit(image(number), time.monotonic() + deadline)
        return float(answer.scores[0])

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
        assert 2 < caught.value.retry_after_seconds <= 3  # 4 s for the running batch and 4 s for this image are 3 s too many
        engine.permits.release()
        assert await task == 1

    with_batcher(test, seconds=4)


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
