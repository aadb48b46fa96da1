"""ONNX Runtime's CUDA provider, over a stand-in that computes on the CPU."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from export.parity import difference
from service.bundle import Bundle, read_bundle
from service.detection.golden import check_golden
from service.engines.onnx_cuda import OnnxCudaEngine
from service.engines.onnx_runtime import OnnxEngine
from service.engines.open import open_engine
from service.engines.protocol import Candidates, DeviceLostError, Engine, describe
from tests.service.engines.golden_images import DEFAULT, golden_images
from tests.stand_in.onnx_cuda import Gpu, Session, install
from tests.tiny_bundle import SIZE

NUM_THREADS = 3


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Gpu:
    return install(set_attribute=monkeypatch.setattr)


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def assert_equal(found: Candidates, expected: Candidates) -> None:
    np.testing.assert_array_equal(found.boxes, expected.boxes)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.labels, expected.labels)


def num_runs(gpu: Gpu) -> list[int]:
    return [len(session.runs) for session in gpu.sessions]


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("count", [1, 3, 5, 8, 9, 20])
def test_any_number_of_images_gives_what_the_cpu_gives(tiny_bundle: Bundle, tiny_engine: Engine, count: int) -> None:
    engine = OnnxCudaEngine(tiny_bundle)
    engine(images(8, seed=1))  # its images must not remain in the padding's rows
    assert_equal(engine(images(count)), tiny_engine(images(count)))
    engine.close()


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize(("precision", "count"), [("fp32", 3), ("fp16", 1)])
def test_the_packaged_bundle_gives_its_golden_detections(precision: Literal["fp32", "fp16"], count: int) -> None:
    bundle = read_bundle(DEFAULT)
    reference = OnnxEngine(bundle, precision=precision, num_threads=1)
    engine = OnnxCudaEngine(bundle, precision=precision, max_batch=2)
    check_golden(bundle, engine)
    expected = reference(golden_images(count))
    found = difference(expected, engine(golden_images(count)))
    assert (expected.scores > 0.05).sum() > 20 * count  # the comparison has something to compare
    assert not found.exceeds(boxes=1e-2, scores=1e-4), found
    engine.close()


def test_an_engine_says_what_it_is(gpu: Gpu, tiny_bundle: Bundle) -> None:
    engine = open_engine(tiny_bundle, "onnx-cuda", num_streams=4, max_batch=5)
    assert (engine.name, describe(engine)) == ("onnx", "cuda, fp32")
    assert (engine.num_streams, engine.num_threads, engine.batch_sizes) == (1, 1, (1, 2, 4, 5))
    assert [session.get_inputs()[0].shape[0] for session in gpu.sessions] == [1, 2, 4, 5]
    assert [session.settings for session in gpu.sessions] == [
        {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC", "enable_cuda_graph": "1"}
    ] * 4
    engine.close()


@pytest.mark.parametrize(
    ("count", "added"),
    [(1, [1, 0, 0, 0]), (2, [0, 1, 0, 0]), (3, [0, 0, 1, 0]), (8, [0, 0, 0, 1]), (9, [1, 0, 0, 1]), (20, [0, 0, 1, 2])],
)
def test_images_run_in_the_smallest_batches_that_hold_them(
    gpu: Gpu, tiny_bundle: Bundle, count: int, added: list[int]
) -> None:
    engine = OnnxCudaEngine(tiny_bundle)
    warm = num_runs(gpu)
    assert min(warm) >= 3  # a request never waits for the capture of a graph
    num_values = gpu.num_values
    engine(images(count))
    assert [now - before for before, now in zip(warm, num_runs(gpu), strict=True)] == added
    assert gpu.num_values == num_values  # nor for memory
    engine.close()


def test_calls_from_any_thread_run_in_one_thread_at_the_same_addresses(
    gpu: Gpu, tiny_bundle: Bundle, tiny_engine: Engine
) -> None:
    engine = OnnxCudaEngine(tiny_bundle, max_batch=4)
    batches = [images(count, seed) for seed in range(6) for count in (1, 3, 4, 6)]
    together = threading.Barrier(NUM_THREADS)

    def call(mine: list[NDArray[np.uint8]]) -> list[Candidates]:
        together.wait(10)
        return [engine(batch) for batch in mine]

    with ThreadPoolExecutor(NUM_THREADS) as threads:
        answers = list(threads.map(call, [batches[start::NUM_THREADS] for start in range(NUM_THREADS)]))
    for start in range(NUM_THREADS):
        for found, batch in zip(answers[start], batches[start::NUM_THREADS], strict=True):
            assert_equal(found, tiny_engine(batch))
    assert len({thread for session in gpu.sessions for thread, _ in session.runs}) == 1
    assert [len({addresses for _, addresses in session.runs}) for session in gpu.sessions] == [1] * 3
    engine.close()


@pytest.mark.usefixtures("gpu")
def test_an_answer_is_not_changed_by_later_calls(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    engine = OnnxCudaEngine(tiny_bundle, max_batch=2)
    first = engine(images(2))
    engine(images(2, seed=1))
    assert_equal(first, tiny_engine(images(2)))
    engine.close()


@pytest.mark.usefixtures("gpu")
def test_images_need_not_be_contiguous(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    engine = OnnxCudaEngine(tiny_bundle, max_batch=2)
    mirrored = images(2)[:, :, ::-1]
    assert_equal(engine(mirrored), tiny_engine(np.ascontiguousarray(mirrored)))
    engine.close()


def test_without_graphs_it_computes_the_same_and_says_why_once(
    gpu: Gpu, tiny_bundle: Bundle, tiny_engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.refuses_graphs = True
    with caplog.at_level(logging.WARNING, "singleshot"):
        engine = OnnxCudaEngine(tiny_bundle)
    assert [record.message for record in caplog.records] == [
        f"{tiny_bundle.model_path}: ONNX Runtime runs it without CUDA graphs, and slower: "
        "This session cannot use the graph capture feature as requested by the user"
    ]
    assert [session.captures for session in gpu.sessions] == [False] * 4
    assert_equal(engine(images(5)), tiny_engine(images(5)))
    engine.close()


def test_a_graph_that_cannot_be_captured_is_replaced_by_plain_runs(
    gpu: Gpu, tiny_bundle: Bundle, tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Session.run_with_iobinding

    def refuse(session: Session, *arguments: object) -> None:
        if session.captures and session.get_inputs()[0].shape[0] == 4:
            raise RuntimeError("operation not permitted when stream is capturing")
        run(session, *arguments)

    monkeypatch.setattr(Session, "run_with_iobinding", refuse)
    engine = OnnxCudaEngine(tiny_bundle)
    used = [(session.get_inputs()[0].shape[0], session.captures) for session in gpu.sessions if session.runs]
    assert used == [(1, True), (2, True), (4, False), (8, False)]
    assert_equal(engine(images(5)), tiny_engine(images(5)))
    engine.close()


def test_a_failed_run_is_raised_and_the_next_one_answers(gpu: Gpu, tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    engine = OnnxCudaEngine(tiny_bundle, max_batch=2)
    gpu.fails = True
    with pytest.raises(RuntimeError, match="CUDA failure 700"):
        engine(images(1))
    gpu.fails = False
    assert_equal(engine(images(1)), tiny_engine(images(1)))
    engine.close()


def test_a_lost_gpu_is_said_to_be_lost(gpu: Gpu, tiny_bundle: Bundle) -> None:
    engine = OnnxCudaEngine(tiny_bundle, max_batch=2)
    gpu.is_lost = True
    with pytest.raises(DeviceLostError, match=r"the GPU is lost: CUDA failure 700: .*; restart the server"):
        engine(images(1))
    engine.close()


def test_closing_waits_for_running_calls_and_ends_the_thread(
    gpu: Gpu, tiny_bundle: Bundle, tiny_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads_before = set(threading.enumerate())
    engine = OnnxCudaEngine(tiny_bundle, max_batch=1)
    (session,) = gpu.sessions
    is_running, may_end = threading.Event(), threading.Event()
    run = session.run_with_iobinding

    def hold(*arguments: object) -> None:
        is_running.set()
        may_end.wait(10)
        run(*arguments)

    monkeypatch.setattr(session, "run_with_iobinding", hold)
    with ThreadPoolExecutor(2) as threads:
        answer = threads.submit(engine, images(1))
        assert is_running.wait(10)
        closed = threads.submit(engine.close)
        assert not closed.done()
        may_end.set()
        assert_equal(answer.result(10), tiny_engine(images(1)))
        closed.result(10)
    assert set(threading.enumerate()) <= threads_before
