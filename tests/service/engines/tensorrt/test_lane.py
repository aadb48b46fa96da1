"""The lanes of the TensorRT engine over a stand-in for TensorRT and a GPU: refusals, faults, profiles, graphs."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from cuda.bindings import runtime
from numpy.typing import NDArray

from service.bundle import Bundle, add_engine
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Candidates, DeviceLostError, Engine, EngineError
from service.engines.tensorrt.choose import Flavour
from service.engines.tensorrt.cuda import CudaError
from tests.service.engines.tensorrt.stand_in_engine import NAME, put_in_place, with_engine
from tests.stand_in.cuda import HostCuda
from tests.stand_in.tensorrt_engine import Plan
from tests.stand_in.tensorrt_types import refused
from tests.tiny_bundle import NUM_CANDIDATES, SIZE, golden_image, write_tiny_bundle

BYTES_AN_IMAGE = SIZE * SIZE * 3 + NUM_CANDIDATES * (4 * 4 + 4 + 4)


@pytest.fixture
def bundle(host_cuda: HostCuda, tmp_path: Path) -> Bundle:  # noqa: ARG001
    """The tiny bundle with an engine for batches of 1, 2, 4 and 6."""
    return with_engine(write_tiny_bundle(tmp_path / "tiny"), tmp_path, max_batch=6)


def pictures(count: int) -> NDArray[np.uint8]:
    return np.stack([golden_image(10 * number + 9) for number in range(count)])


def is_right(answer: Candidates, images: NDArray[np.uint8]) -> bool:
    """Whether the answer has the best score of each of `pictures`."""
    wanted = images.max(axis=(1, 2, 3)) / np.float32(255)
    return answer.scores.shape == (len(images), NUM_CANDIDATES) and np.allclose(answer.scores[:, 0], wanted)


def with_profiles(bundle: Bundle, profiles: list[tuple[int, int, int]]) -> Bundle:
    """The bundle with profiles of these smallest, usual and largest batches."""
    plan = Plan.of_bytes((bundle.path / NAME).read_bytes())
    shapes = [[(batch, SIZE, SIZE, 3) for batch in batches] for batches in profiles]
    return add_engine(
        bundle.path, NAME, bundle.manifest.engines[NAME], replace(plan, profiles=np.array(shapes)).to_bytes()
    )


@pytest.mark.parametrize(
    "call",
    [
        "register_creator",
        "deserialize_cuda_engine",
        "create_execution_context",
        "set_device_memory",
        "set_optimization_profile_async",
        "set_input_shape",
        "set_tensor_address",
        "execute_async_v3",
    ],
)
def test_whatever_tensorrt_refuses_the_cpu_serves_instead(
    bundle: Bundle, host_cuda: HostCuda, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    host_cuda = put_in_place(monkeypatch, host_cuda)  # no plugin is registered
    refused.add(call)
    with pytest.raises(EngineError, match=rf"{NAME}: .*; build it again with `python -m export engine "):
        open_engine(bundle, "tensorrt")
    assert not host_cuda.live()
    monkeypatch.setattr("service.engines.open.has_gpu", lambda: True)
    with caplog.at_level(logging.INFO, logger="singleshot"):
        engine = open_engine(bundle, "auto", num_threads=1)
    assert engine.device == "cpu"
    assert NAME in caplog.text
    engine.close()


@pytest.mark.parametrize(
    ("call", "turn"),
    [
        ("cudaSetDevice", 1),
        ("cudaSetDeviceFlags", 1),
        ("cudaStreamCreateWithFlags", 1),
        ("cudaStreamCreateWithFlags", 2),  # of the second lane
        ("cudaMalloc", 1),
        ("cudaMalloc", 5),
        ("cudaHostAlloc", 1),
        ("cudaHostAlloc", 4),
        ("cudaMemcpyAsync", 1),
        ("cudaStreamSynchronize", 1),
        ("cudaStreamBeginCapture", 2),
        ("cudaGraphInstantiate", 2),
    ],
)
def test_an_engine_that_cuda_refuses_keeps_nothing(bundle: Bundle, host_cuda: HostCuda, call: str, turn: int) -> None:
    host_cuda.fail(call, runtime.cudaError_t.cudaErrorMemoryAllocation, turn)
    with pytest.raises(EngineError, match=r"TensorRT cannot run it: .*cudaErrorMemoryAllocation"):
        open_engine(bundle, "tensorrt", num_streams=2)
    assert not host_cuda.live()


def test_a_gpu_that_is_lost_at_the_opening_is_told_apart_and_keeps_nothing(bundle: Bundle, host_cuda: HostCuda) -> None:
    status = runtime.cudaError_t.cudaErrorIllegalAddress
    host_cuda.fail("cudaStreamBeginCapture", status)
    host_cuda.fail("cudaStreamSynchronize", status, 2)  # the one that asks whether the GPU still answers
    with pytest.raises(DeviceLostError, match=r"the GPU answers no more \(cudaErrorIllegalAddress\)"):
        open_engine(bundle, "tensorrt")
    assert not host_cuda.live()


def test_a_network_that_cannot_be_captured_leaves_no_graph(bundle: Bundle, host_cuda: HostCuda) -> None:
    host_cuda.fail("cudaMemcpyAsync", runtime.cudaError_t.cudaErrorStreamCaptureUnsupported, 6)  # in the first capture
    with pytest.raises(EngineError, match="cudaErrorStreamCaptureUnsupported"):
        open_engine(bundle, "tensorrt")
    assert not host_cuda.live()


def test_a_call_that_fails_once_does_not_end_the_engine(bundle: Bundle, host_cuda: HostCuda) -> None:
    engine = open_engine(bundle, "tensorrt")
    host_cuda.fail("cudaGraphLaunch", runtime.cudaError_t.cudaErrorMemoryAllocation)
    with pytest.raises(CudaError, match="cudaErrorMemoryAllocation"):
        engine(pictures(2))
    assert is_right(engine(pictures(2)), pictures(2))
    engine.close()


@pytest.mark.parametrize("turn", [1, 2])
def test_a_gpu_that_answers_no_more_is_lost(bundle: Bundle, host_cuda: HostCuda, turn: int) -> None:
    engine = open_engine(bundle, "tensorrt")
    host_cuda.lose(runtime.cudaError_t.cudaErrorIllegalAddress)
    for _ in range(turn):
        with pytest.raises(DeviceLostError, match=r"answers no more \(cudaErrorIllegalAddress\); restart the server"):
            engine(pictures(1))
    host_cuda.lose(None)  # so that closing it can be checked
    engine.close()


def test_a_thread_with_another_current_device_runs_on_the_first(bundle: Bundle, host_cuda: HostCuda) -> None:
    host_cuda.num_devices = 2
    engine = open_engine(bundle, "tensorrt")

    def run() -> Candidates:
        runtime.cudaSetDevice(1)
        return engine(pictures(1))

    with ThreadPoolExecutor(1) as threads:
        assert is_right(threads.submit(run).result(), pictures(1))
    engine.close()


@pytest.mark.parametrize(("count", "copied"), [(1, 1), (2, 2), (3, 4), (5, 6), (6, 6), (7, 7), (9, 10)])
def test_images_are_padded_to_the_next_batch_size(bundle: Bundle, host_cuda: HostCuda, count: int, copied: int) -> None:
    engine = open_engine(bundle, "tensorrt")
    before = host_cuda.copied_bytes
    assert is_right(engine(pictures(count)), pictures(count))
    assert host_cuda.copied_bytes - before == copied * BYTES_AN_IMAGE
    engine.close()


def test_an_engine_with_one_profile_for_all_batch_sizes_runs(bundle: Bundle) -> None:
    engine = open_engine(with_profiles(bundle, [(1, 4, 6)]), "tensorrt")
    assert is_right(engine(pictures(5)), pictures(5))
    engine.close()


def test_the_profile_with_the_fewest_other_sizes_is_taken(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.stand_in.tensorrt_engine import IExecutionContext

    taken = []
    set_profile = IExecutionContext.set_optimization_profile_async

    def watched(context: IExecutionContext, index: int, stream: int) -> bool:
        taken.append(index)
        return set_profile(context, index, stream)

    monkeypatch.setattr(IExecutionContext, "set_optimization_profile_async", watched)
    open_engine(with_profiles(bundle, [(1, 4, 6), (6, 6, 6), (1, 1, 1), (2, 4, 5)]), "tensorrt").close()
    assert taken == [2, 3, 3, 1]


def test_an_engine_without_a_profile_for_a_batch_size_is_refused(bundle: Bundle) -> None:
    broken = with_profiles(bundle, [(1, 1, 1), (4, 4, 4), (6, 6, 6)])
    with pytest.raises(EngineError, match="the engine was built for other batch sizes than 2; build it again"):
        open_engine(broken, "tensorrt")


@pytest.fixture
def rtx_bundle(host_cuda: HostCuda, tmp_path: Path) -> Bundle:  # noqa: ARG001
    flavour: Flavour = "tensorrt_rtx"
    return with_engine(write_tiny_bundle(tmp_path / "tiny"), tmp_path, max_batch=3, flavour=flavour)


def test_tensorrt_for_rtx_runs_in_graphs(rtx_bundle: Bundle, host_cuda: HostCuda) -> None:
    engine = open_engine(rtx_bundle, "tensorrt")
    assert host_cuda.live()["graphs"] == 3
    check_golden(rtx_bundle, engine)
    assert is_right(engine(pictures(7)), pictures(7))
    engine.close()


def test_what_cannot_be_captured_runs_without_graphs(
    rtx_bundle: Bundle, host_cuda: HostCuda, caplog: pytest.LogCaptureFixture
) -> None:
    refused.add("is_stream_capturable")
    with caplog.at_level(logging.WARNING):
        engine = open_engine(rtx_bundle, "tensorrt")
    assert "cannot put batches of 3 into a CUDA graph" in caplog.text
    assert "graphs" not in host_cuda.live()
    for _ in range(2):
        assert is_right(engine(pictures(5)), pictures(5))
    refused.add("execute_async_v3")
    with pytest.raises(CudaError, match="TensorRT refused to put the network on the GPU"):
        engine(pictures(1))
    engine.close()


def test_tensorrt_for_rtx_refuses_a_configuration(rtx_bundle: Bundle) -> None:
    refused.add("create_runtime_config")
    with pytest.raises(EngineError, match="TensorRT refused to create a runtime configuration"):
        open_engine(rtx_bundle, "tensorrt")


def test_closing_an_engine_does_not_free_the_lane_of_a_call_that_still_runs(
    bundle: Bundle, host_cuda: HostCuda, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(bundle, "tensorrt", num_streams=2)
    per_lane = {kind: count // 2 for kind, count in host_cuda.live().items()}
    synchronise, runs, is_closed = runtime.cudaStreamSynchronize, threading.Event(), threading.Event()

    def late(stream: object) -> object:
        runs.set()
        assert is_closed.wait(30)
        return synchronise(stream)

    monkeypatch.setattr(runtime, "cudaStreamSynchronize", late)
    with ThreadPoolExecutor(1) as threads, caplog.at_level(logging.WARNING):
        answer = threads.submit(engine, pictures(3))
        assert runs.wait(30)
        engine.close()
        assert host_cuda.live() == per_lane  # the other lane is freed
        engine.close()
        is_closed.set()
        assert is_right(answer.result(), pictures(3))
    assert caplog.text.count("TensorRT still runs 1 batches") == 1
    assert not host_cuda.live()


def test_closing_twice_frees_once(bundle: Bundle) -> None:
    engine: Engine = open_engine(bundle, "tensorrt", num_streams=2)
    engine.close()
    engine.close()


def test_an_engine_of_a_tensorrt_that_lacks_a_call_is_refused(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(import_module("tensorrt"), "ExecutionContextAllocationStrategy")
    with pytest.raises(EngineError, match="ExecutionContextAllocationStrategy"):
        open_engine(bundle, "tensorrt")
