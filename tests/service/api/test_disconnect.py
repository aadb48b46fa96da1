"""Blocks that end when the client disconnects."""

import asyncio

import pytest

from service.api.disconnect import Disconnect
from service.api.problems import RequestError


def test_a_block_is_cancelled_when_the_client_disconnects() -> None:
    async def run() -> None:
        disconnect = Disconnect()
        asyncio.get_running_loop().call_soon(disconnect.notify)
        with pytest.raises(RequestError, match="disconnected"), disconnect:
            await asyncio.Event().wait()
        task = asyncio.current_task()
        assert task is not None
        assert not task.cancelling()

    asyncio.run(run())


def test_a_block_does_not_begin_if_the_client_has_left_already() -> None:
    disconnect = Disconnect()
    disconnect.notify()
    with pytest.raises(RequestError, match="disconnected"), disconnect:
        pytest.fail("the block has begun")


def test_a_request_that_is_cancelled_for_another_reason_is_cancelled() -> None:
    async def run() -> None:
        async def wait() -> None:
            with Disconnect():
                await asyncio.Event().wait()

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())


def test_a_disconnection_after_the_block_cancels_nothing() -> None:
    async def run() -> None:
        disconnect = Disconnect()
        with disconnect:
            pass
        disconnect.notify()
        await asyncio.sleep(0)

    asyncio.run(run())
