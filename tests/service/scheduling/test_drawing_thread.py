"""The drawing thread: it obeys the deadline, bounds the number of drawings, and stops a drawing that nobody awaits."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from service.scheduling.admission import RejectedError
from service.scheduling.drawing_thread import MAX_DRAWINGS, DrawingThread
from service.scheduling.ticket import ExpiredError

FAR = time.monotonic() + 3600


class EndlessDrawing:
    """Draws until its check raises an error."""

    def __init__(self) -> None:
        self.has_started, self.has_stopped = threading.Event(), threading.Event()

    def __call__(self, check: Callable[[], None]) -> None:
        self.has_started.set()
        try:
            while True:
                check()
        finally:
            self.has_stopped.set()


def test_a_picture_is_returned_and_an_error_is_raised() -> None:
    async def run() -> None:
        drawings = DrawingThread()
        assert await drawings.run(lambda _: "picture", FAR) == "picture"
        with pytest.raises(ZeroDivisionError):
            await drawings.run(lambda _: 1 / 0, FAR)
        drawings.close()

    asyncio.run(run())


def test_a_drawing_ends_at_its_deadline() -> None:
    async def run() -> None:
        drawings, drawing = DrawingThread(), EndlessDrawing()
        with pytest.raises(ExpiredError, match="no picture within"):
            await drawings.run(drawing, time.monotonic() + 0.05)
        assert drawing.has_stopped.wait(60)
        drawings.close()

    asyncio.run(run())


def test_an_abandoned_drawing_stops() -> None:
    async def run() -> None:
        drawings, drawing = DrawingThread(), EndlessDrawing()
        task = asyncio.create_task(drawings.run(drawing, FAR))
        await asyncio.to_thread(drawing.has_started.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert drawing.has_stopped.wait(60)
        drawings.close()

    asyncio.run(run())


def test_a_drawing_that_has_expired_in_the_queue_is_not_drawn() -> None:
    async def run() -> None:
        drawings, gate, drawn = DrawingThread(), threading.Event(), []
        first = asyncio.create_task(drawings.run(lambda _: gate.wait(60), FAR))
        await asyncio.sleep(0)
        with pytest.raises(ExpiredError):
            await drawings.run(lambda _: drawn.append(1), time.monotonic() + 0.01)
        gate.set()
        assert await first
        drawings.close()
        assert drawn == []

    asyncio.run(run())


def test_too_many_drawings_are_refused() -> None:
    async def run() -> None:
        drawings, gate = DrawingThread(), threading.Event()
        waiting = [asyncio.create_task(drawings.run(lambda _: gate.wait(60), FAR)) for _ in range(MAX_DRAWINGS)]
        await asyncio.sleep(0)
        with pytest.raises(RejectedError) as refusal:
            await drawings.run(lambda _: True, FAR)
        assert refusal.value.reason == "drawings"
        gate.set()
        assert all(await asyncio.gather(*waiting))
        assert await drawings.run(lambda _: True, FAR)
        drawings.close()

    asyncio.run(run())
