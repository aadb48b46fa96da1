"""Triton's other clients of gRPC, unmodified: with streams and callbacks, and with asyncio."""

import asyncio
import queue
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from tests.service.rpc.served import Served
from tests.service.served_app import GOLDEN

triton = pytest.importorskip("tritonclient.grpc")
aio = pytest.importorskip("tritonclient.grpc.aio")
SECONDS = 60


def file_input(body: bytes = GOLDEN) -> Any:
    tensor = triton.InferInput("image", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([body, None], dtype=object)[:-1])
    return tensor


def names_of(result: Any) -> list[list[bytes]]:
    names: list[list[bytes]] = result.as_numpy("class_names").tolist()
    return names


def test_a_stream_with_a_callback_gives_results_and_errors_in_order(served: Served) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton.InferenceServerClient(served.live.address) as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        for body in (GOLDEN, b"hello", GOLDEN):
            client.async_stream_infer("tiny", [file_input(body)], enable_empty_final_response=True)
        received = [answers.get(timeout=SECONDS) for _ in range(3)]
        client.stop_stream()
    assert [error is None for _, error in received] == [True, False, True]
    assert "not an image" in str(received[1][1])
    assert names_of(received[2][0]) == [[b"red", b"green"]]


def test_a_call_with_a_callback_is_answered_and_can_be_cancelled(served: Served) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton.InferenceServerClient(served.live.address) as client:
        client.async_infer("tiny", [file_input()], lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=SECONDS)
        assert error is None
        assert names_of(result) == [[b"red", b"green"]]
        with pytest.raises(triton.InferenceServerException, match="DEADLINE_EXCEEDED"):
            client.infer("tiny", [file_input()], client_timeout=1e-6)


def test_the_asyncio_client_reads_and_infers(served: Served) -> None:
    async def run() -> None:
        async with aio.InferenceServerClient(served.live.address) as client:
            assert await client.is_server_ready()
            assert await client.is_model_ready("tiny")
            assert (await client.get_model_metadata("tiny")).platform == "singleshot_onnx"
            assert (await client.get_model_config("tiny", as_json=True))["config"]["backend"] == "singleshot"
            assert (await client.get_model_repository_index()).models[0].name == "tiny"
            statistics = await client.get_inference_statistics("tiny")
            assert statistics.model_stats[0].version == "1"
            results = await asyncio.gather(*[client.infer("tiny", [file_input()]) for _ in range(4)])
            assert [names_of(result) for result in results] == [[[b"red", b"green"]]] * 4
            with pytest.raises(aio.InferenceServerException, match="no model has that name") as caught:
                await client.infer("other", [file_input()])
            assert caught.value.status() == "StatusCode.NOT_FOUND"

    asyncio.run(run())


def test_the_asyncio_client_streams(served: Served) -> None:
    async def requests() -> AsyncIterator[dict[str, Any]]:
        for number, body in enumerate((GOLDEN, b"hello", GOLDEN)):
            yield {"model_name": "tiny", "inputs": [file_input(body)], "request_id": str(number)}

    async def run() -> list[tuple[Any, Any]]:
        async with aio.InferenceServerClient(served.live.address) as client:
            return [answer async for answer in client.stream_infer(requests())]

    answers = asyncio.run(run())
    assert [error is None for _, error in answers] == [True, False, True]
    assert [result.get_response().id for result, error in answers if error is None] == ["0", "2"]
