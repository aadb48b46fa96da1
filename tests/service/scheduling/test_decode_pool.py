"""The decode pool: what it learns about its own speed."""

import asyncio
import threading

import pytest

from service.scheduling.decode_pool import DecodePool


def test_the_wait_grows_with_the_backlog() -> None:
    async def run() -> None:
        pool = DecodePool(2)
        assert pool.ready_seconds(10**9) == 0  # nothing is known yet
        gate = threading.Event()
        try:
            await pool.run(100, lambda: None)
            alone = pool.ready_seconds(100)
            assert alone > 0
            running = pool.start(400, gate.wait)
            assert pool.ready_seconds(100) == pytest.approx(3 * alone)
        finally:
            gate.set()
        assert running.result(60)
        pool.close()
        assert pool.ready_seconds(0) == 0

    asyncio.run(run())


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


def test_an_image_that_fails_leaves_no_backlog() -> None:
    async def run() -> None:
        pool = DecodePool(1)
        await pool.run(100, lambda: None)
        with pytest.raises(ZeroDivisionError):
            await pool.run(100, lambda: 1 / 0)
        pool.close()
        assert pool.ready_seconds(0) == 0

    asyncio.run(run())
