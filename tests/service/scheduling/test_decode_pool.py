"""The decode pool: what it learns about its own speed, and which threads decode what."""

import threading
from collections.abc import Iterator

import pytest

from service.scheduling.decode_pool import BASE_WORK, FIRST_SECONDS, LARGE_SECONDS, MAX_SURPRISE, DecodePool

SMALL = 300_000  # the work of a photo for the web


@pytest.fixture
def pool() -> Iterator[DecodePool]:
    pool = DecodePool(2)
    yield pool
    pool.close()


def large_work(pool: DecodePool) -> int:
    """The work of an image that takes twice as long as the smallest large one."""
    return round(SMALL * 2 * LARGE_SECONDS / pool.seconds(SMALL))


def test_the_prediction_follows_the_work(pool: DecodePool) -> None:
    for _ in range(100):
        pool.learn(SMALL, 0.003)
    assert pool.seconds(SMALL) == pytest.approx(0.003, rel=0.01)
    assert pool.seconds(10 * SMALL) == pytest.approx(0.03, rel=0.1)
    assert pool.seconds(1) > 0  # even the smallest image takes time


def test_the_wait_grows_with_the_backlog(pool: DecodePool) -> None:
    gate = threading.Event()
    alone = pool.ready_seconds(SMALL)
    running = pool.start(4 * SMALL, gate.wait)
    try:
        assert pool.ready_seconds(SMALL) == pytest.approx(alone + (4 * SMALL + BASE_WORK) / 2 * FIRST_SECONDS)
    finally:
        gate.set()
    assert running.result(60)
    pool.close()
    assert pool.ready_seconds(SMALL) == alone


@pytest.mark.parametrize(("seconds", "direction"), [(1000.0, 1), (1e-9, -1)])
def test_one_outlier_moves_the_prediction_by_a_bounded_factor(pool: DecodePool, seconds: float, direction: int) -> None:
    for _ in range(100):
        pool.learn(SMALL, 0.003)
    pool.learn(SMALL, seconds)
    moved = pool.seconds(SMALL) / 0.003
    assert moved == pytest.approx(MAX_SURPRISE ** (0.1 * direction), rel=0.02)
    for _ in range(20):
        pool.learn(SMALL, 0.003)
    assert pool.seconds(SMALL) == pytest.approx(0.003, rel=0.03)


def test_the_first_images_count_more(pool: DecodePool) -> None:
    slow = 3 * pool.seconds(SMALL)
    for _ in range(5):
        pool.learn(SMALL, slow)
    assert pool.seconds(SMALL) > 0.7 * slow


def test_only_decoding_is_learnt(pool: DecodePool) -> None:
    before = pool.seconds(SMALL)
    busy = lambda: sum(range(1_000_000))  # noqa: E731
    assert pool.start(1, busy).result(60)
    assert pool.seconds(SMALL) == before
    pool.timed(1, busy)
    assert pool.seconds(SMALL) > before


def test_a_wait_for_a_core_is_not_learnt(pool: DecodePool) -> None:
    for _ in range(100):
        pool.learn(SMALL, 0.003)
    pool.timed(SMALL, lambda: threading.Event().wait(0.05))  # it sleeps, as a thread does that gets no core
    assert pool.seconds(SMALL) < 0.003


def test_a_small_image_does_not_wait_for_large_ones(pool: DecodePool) -> None:
    gate = threading.Event()
    alone = pool.ready_seconds(SMALL)
    large = [pool.start(large_work(pool), gate.wait) for _ in range(4)]
    try:
        assert pool.ready_seconds(SMALL) == alone
        assert pool.ready_seconds(large_work(pool)) > 8 * LARGE_SECONDS
        assert pool.start(SMALL, lambda: "decoded").result(60) == "decoded"
    finally:
        gate.set()
    assert all(future.result(60) for future in large)


def test_a_cancelled_image_is_not_decoded() -> None:
    pool = DecodePool(1)
    gate = threading.Event()
    decoded: list[int] = []
    first = pool.start(1, gate.wait)
    cancelled = pool.start(1, lambda: decoded.append(1))
    assert cancelled.cancel()
    gate.set()
    assert first.result(60)
    pool.close()
    assert decoded == []


def test_an_image_that_fails_leaves_no_backlog(pool: DecodePool) -> None:
    alone = pool.ready_seconds(SMALL)
    with pytest.raises(ZeroDivisionError):
        pool.start(100, lambda: 1 / 0).result(60)
    pool.close()
    assert pool.ready_seconds(SMALL) == alone
