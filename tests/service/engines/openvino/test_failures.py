"""An error inside OpenVINO reaches the caller whose images it concerns, and no answer is made of old outputs."""

import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from service.bundle import read_bundle
from service.engines.open import open_engine
from tests.service.engines.golden_images import DEFAULT, golden_images

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]"
)


@pytest.fixture
def engine() -> Any:
    return open_engine(read_bundle(DEFAULT), "openvino", precision="fp32", num_threads=1, num_streams=2)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException, *, call: int = 1, thread: str = "") -> None:
    """Let the operator raise `error` at its `call`-th call, in the thread of that name or in any."""
    from service.engines.openvino.sample_taps import sample_taps

    calls = iter(range(1, 1000))

    def failing(*arrays: Any) -> None:
        if threading.current_thread().name.startswith(thread) and next(calls) == call:
            raise error
        sample_taps(*arrays)

    monkeypatch.setattr("service.engines.openvino.offset_conv.sample_taps", failing)


@pytest.mark.parametrize("error", [RuntimeError("broken"), MemoryError(), OSError(28, "no space"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", [1, 4])
def test_an_error_of_the_operator_reaches_the_caller(
    engine: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException, call: int
) -> None:
    engine(golden_images(1))
    before = engine(np.zeros((1, 320, 320, 3), np.uint8))
    with monkeypatch.context() as patch:
        fail_with(patch, error, call=call)
        with pytest.raises(type(error)) as caught:
            engine(golden_images(1))
        assert caught.value is error
    assert np.array_equal(engine(np.zeros((1, 320, 320, 3), np.uint8)).scores, before.scores)


def test_an_error_of_the_operator_in_a_thread_of_openvino_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(read_bundle(DEFAULT), "openvino", precision="fp32", num_threads=2)
    engine(golden_images(3))
    for count in (1, 2, 3):  # one image on two threads, one image for each of two threads, both
        with monkeypatch.context() as patch:
            error = MemoryError()
            fail_with(patch, error)
            with pytest.raises(MemoryError) as caught:
                engine(golden_images(count))
            assert caught.value is error
    engine.close()


def test_of_two_streams_only_the_one_with_the_error_fails(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    good = golden_images(1)
    expected = engine(good)
    fail_with(monkeypatch, MemoryError(), thread="bad")
    barrier = threading.Barrier(2)

    def run() -> Any:
        barrier.wait()
        return engine(good)

    with ThreadPoolExecutor(1, "bad") as bad, ThreadPoolExecutor(1, "good") as other:
        failed, found = bad.submit(run), other.submit(run)
        assert np.array_equal(found.result().scores, expected.scores)
        with pytest.raises(MemoryError):
            failed.result()


def test_an_inference_that_openvino_gives_up_silently_is_an_error(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.engines.openvino.offset_conv import OffsetConv

    engine(golden_images(1))
    monkeypatch.setattr(OffsetConv, "evaluate", lambda *_: False)
    with pytest.raises(RuntimeError, match="gave up the inference"):
        engine(golden_images(1))
    engine.close()
    monkeypatch.undo()
    other = open_engine(read_bundle(DEFAULT), "openvino", precision="fp32", num_threads=1)
    other(golden_images(1))  # OpenVINO 2026.4 ends the process here if the other request is freed
    other.close()


def test_a_model_that_cannot_be_compiled_fails_each_call_and_never_blocks(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.engines.openvino import model

    def no_memory(*_: Any, **__: Any) -> None:
        raise RuntimeError("could not create a memory object")

    with monkeypatch.context() as patch:
        patch.setattr(model, "compile_model", no_memory)
        for _ in range(2):
            with ThreadPoolExecutor(1) as thread, pytest.raises(RuntimeError, match="could not create"):
                thread.submit(engine, golden_images(4)).result(60)  # four images are the first that need this size
    assert len(engine(golden_images(4)).scores) == 4
