"""Which engine and precision are chosen, and that the forms of the default bundle agree."""

import importlib.util
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from export.parity import difference
from service.bundle import Bundle, BundleError, read_bundle
from service.cores import has_amx
from service.detection.golden import check_golden
from service.detection.preprocess import decode_image
from service.engines.engine import Candidates, Engine, EngineError, describe
from service.engines.onnx_runtime import CUDA, choose_providers
from service.engines.open import open_engine
from service.settings import DEFAULT_BUNDLES
from tests.fake_engine import FakeEngine
from tests.tiny_bundle import write_tiny_bundle

DEFAULT = DEFAULT_BUNDLES / "bccd-passd-320"
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]"
)


def pictures(count: int) -> NDArray[np.uint8]:
    """The default bundle's golden picture and others made of it: mirrored, turned, darker, shifted."""
    golden = decode_image((DEFAULT / "golden.png").read_bytes(), max_pixels=10**6).pixels
    made = [golden, golden[:, ::-1], golden[::-1], golden // 2, np.roll(golden, 37, axis=1)]
    return np.stack(made[:count])


@needs_openvino
@pytest.mark.parametrize("batch", [1, 5])
def test_openvino_in_fp32_agrees_with_onnx_runtime(batch: int) -> None:
    bundle = read_bundle(DEFAULT)
    images = pictures(batch)
    reference = open_engine(bundle, "onnx", num_threads=1)(images)
    found = difference(reference, open_engine(bundle, "openvino", precision="fp32", num_threads=1)(images))
    assert (reference.scores > 0.05).sum() > 20 * batch  # the comparison has something to compare
    assert not found.exceeds(boxes=1e-3, scores=1e-4), found


@needs_openvino
@pytest.mark.skipif(not has_amx(), reason="without AMX OpenVINO emulates bf16 or computes it more slowly than fp32")
@pytest.mark.parametrize("batch", [1, 5])
def test_bf16_moves_boxes_by_less_than_a_pixel(batch: int) -> None:
    bundle = read_bundle(DEFAULT)
    images = pictures(batch)
    exact = open_engine(bundle, "openvino", precision="fp32", num_threads=1)(images)
    engine = open_engine(bundle, "openvino", num_threads=1)
    assert describe(engine) == "cpu, bf16"
    check_golden(bundle, engine)
    moved, changed = moves(exact, engine(images), score=0.5)
    assert 0 < np.median(moved) < 0.3
    assert np.quantile(moved, 0.95) < 1
    assert np.quantile(changed, 0.95) < 0.02


def moves(exact: Candidates, other: Candidates, *, score: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far the nearest box of the same label lies, for each candidate above `score`: in pixels, and in score."""
    pixels, scores = [], []
    for image in range(len(exact.scores)):
        for row in np.flatnonzero(exact.scores[image] > score):
            peers = other.labels[image] == exact.labels[image][row]
            distances = np.abs(other.boxes[image][peers] - exact.boxes[image][row]).max(axis=1)
            nearest = int(distances.argmin())
            pixels.append(distances[nearest])
            scores.append(abs(other.scores[image][peers][nearest] - exact.scores[image][row]))
    return np.array(pixels, np.float32), np.array(scores, np.float32)


@needs_openvino
@pytest.mark.skipif(not has_amx(), reason="without AMX OpenVINO emulates bf16 or computes it more slowly than fp32")
@pytest.mark.parametrize("size", [None, 1, 4])
def test_all_that_follows_the_convolutions_stays_in_fp32_under_bf16(size: int | None) -> None:
    from service.engines.openvino.engine import read_model
    from service.engines.openvino.model import compile_model

    compiled = compile_model(read_model(DEFAULT / "model.onnx", "bf16", []), "bf16", 1, size=size)
    precisions: dict[str, set[str]] = {}
    for node in compiled.get_runtime_model().get_ops():
        info = node.get_rt_info()
        precisions.setdefault(info["layerType"].astype(str), set()).add(info["outputPrecisions"].astype(str))
    assert precisions["Convolution"] == {"bf16"}
    for kind in ("Reference", "Softmax", "GatherElements"):
        assert precisions[kind] == {"f32"}
    for name in ("node_tanh", "node_exp", "node_exp_1"):
        (node,) = (n for n in compiled.get_runtime_model().get_ops() if name in names(n))
        assert node.get_rt_info()["outputPrecisions"].astype(str) == "f32"


def names(node: object) -> list[str]:
    info = node.get_rt_info()  # type: ignore[attr-defined]
    return info["originalLayersNames"].astype(str).split(",") if "originalLayersNames" in info else []


@needs_openvino
@pytest.mark.parametrize(
    ("wanted", "capabilities", "is_amx", "expected"),
    [
        ("auto", ["BF16", "FP32"], True, "bf16"),
        ("auto", ["BF16", "FP32"], False, "fp32"),
        ("auto", ["FP32"], False, "fp32"),
        ("fp32", ["BF16", "FP32"], True, "fp32"),
        ("bf16", ["BF16", "FP32"], False, "bf16"),
    ],
)
def test_auto_is_bf16_only_where_amx_makes_it_fast(
    wanted: str, capabilities: list[str], is_amx: bool, expected: str
) -> None:
    from service.engines.openvino.engine import choose_precision

    assert choose_precision(wanted, capabilities, is_amx=is_amx) == expected  # type: ignore[arg-type]


@needs_openvino
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_a_batch_in_parts_gives_each_image_the_answers_that_it_gets_alone(num_threads: int) -> None:
    bundle = read_bundle(DEFAULT)
    engine = open_engine(bundle, "openvino", precision="fp32", num_threads=num_threads)
    spec = bundle.manifest.input
    images = np.random.default_rng(0).integers(0, 256, (7, spec.height, spec.width, 3), np.uint8)
    together = engine(images)
    for row in range(7):
        alone = engine(images[row : row + 1])
        assert np.allclose(together.scores[row], alone.scores[0], atol=1e-5)
        assert np.allclose(together.boxes[row], alone.boxes[0], atol=1e-3)
    engine.close()


OPEN_AND_CLOSE_ENGINES = """
import os, signal
import numpy as np
from service.bundle import read_bundle
from service.engines.open import open_engine
from service.settings import DEFAULT_BUNDLES

signal.signal(signal.SIGUSR1, lambda *_: print("got the signal"))
bundle = read_bundle(DEFAULT_BUNDLES / "bccd-passd-320")
engines = [open_engine(bundle, "openvino", precision="fp32", num_threads=1) for _ in range(2)]
for engine in engines:
    engine(np.zeros((1, 320, 320, 3), np.uint8))
    engine.close()
del engine, engines
os.kill(os.getpid(), signal.SIGUSR1)
"""


FIRST_INFERENCES_AT_ONCE = """
import sys, threading
import openvino
import service.engines.openvino.model

sys.setswitchinterval(1e-9)  # threads take turns wherever they can
barrier = threading.Barrier(8)

def first_inference() -> None:
    barrier.wait()
    openvino.Type.u8.to_dtype()  # what each inference asks of its inputs

threads = [threading.Thread(target=first_inference) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@needs_openvino
def test_first_inferences_at_once_do_not_wait_for_each_other_for_ever() -> None:
    subprocess.run([sys.executable, "-c", FIRST_INFERENCES_AT_ONCE], check=True, timeout=100)


@needs_openvino
def test_signals_reach_a_process_whose_engines_closed_in_the_order_of_opening() -> None:
    done = subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE_ENGINES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "got the signal\n"), done.stderr


@needs_openvino
def test_streams_serve_calls_at_once() -> None:
    bundle = read_bundle(DEFAULT)
    engine = open_engine(bundle, "openvino", precision="fp32", num_threads=1, num_streams=2)
    batches = [pictures(3), pictures(2), pictures(1)] * 3
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(engine, batches))
    for images, found in zip(batches, together, strict=True):
        assert np.array_equal(found.scores, engine(images).scores)
    engine.close()


@needs_openvino
@pytest.mark.parametrize(
    ("size", "parts"), [(1, [(0, 1)]), (3, [(0, 1), (1, 2), (2, 3)]), (4, [(0, 4)]), (9, [(0, 4), (4, 8), (8, 9)])]
)
def test_parts_cover_the_batch(size: int, parts: list[tuple[int, int]]) -> None:
    from service.engines.openvino.model import parts_of

    assert list(parts_of(size)) == parts


@needs_openvino
def test_bf16_on_a_cpu_that_cannot_is_refused_with_a_remedy() -> None:
    from service.engines.openvino.engine import choose_precision

    with pytest.raises(EngineError, match=r"cannot compute in bf16 on this CPU.*`--precision fp32`"):
        choose_precision("bf16", ["FP32", "INT8"], is_amx=False)


def test_bf16_in_onnx_runtime_is_refused_with_a_remedy(tiny_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"fp32 alone; choose `--precision fp32`, or `--engine openvino`"):
        open_engine(tiny_bundle, "onnx", precision="bf16")


def test_cuda_is_used_when_asked_for_and_there() -> None:
    assert choose_providers("cpu", [CUDA, "CPUExecutionProvider"]) == ["CPUExecutionProvider"]
    (first, settings), second = choose_providers("cuda", [CUDA, "CPUExecutionProvider"])
    assert (first, second) == (CUDA, "CPUExecutionProvider")
    assert settings == {"use_tf32": "0"}


def test_cuda_without_its_provider_is_refused_with_a_remedy() -> None:
    with pytest.raises(EngineError, match=r"built without CUDA; install onnxruntime-gpu"):
        choose_providers("cuda", ["CPUExecutionProvider"])


class ShiftedEngine(FakeEngine):
    """A real engine whose boxes lie 20 pixels off, in a precision that may lose a few detections."""

    precision = "bf16"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        candidates = self._engine(images)
        return Candidates(candidates.boxes + np.float32(20), candidates.scores, candidates.labels)

    def close(self) -> None:
        self._engine.close()


def test_wrong_answers_are_refused_in_bf16_too(tmp_path: Path) -> None:
    for bundle in (read_bundle(DEFAULT), write_tiny_bundle(tmp_path / "tiny")):
        engine = ShiftedEngine(open_engine(bundle, "onnx", num_threads=1))
        with pytest.raises(BundleError, match=r"answers would be wrong; try --precision fp32"):
            check_golden(bundle, engine)
        engine.close()
