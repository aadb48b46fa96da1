"""How OpenVINO compiles a model, shares a batch between threads, and lives with other threads and signals."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

from service.bundle import read_bundle
from service.engines.open import open_engine
from tests.service.engines.golden_images import DEFAULT
from tests.service.engines.openvino.bf16 import in_bf16

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]"
)


@in_bf16
@pytest.mark.parametrize("size", [None, 1, 4])
def test_what_is_computed_in_fp32_and_in_bf16(size: int | None) -> None:
    from service.engines.openvino.form import read_model
    from service.engines.openvino.model import compile_model

    compiled = compile_model(read_model(DEFAULT / "model.onnx", "bf16", []), "bf16", 1, size=size)
    precisions: dict[str, list[str]] = {}
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        precisions.setdefault(info["layerType"].astype(str), []).append(info["outputPrecisions"].astype(str))
    stem, depthwise, *others = precisions["Convolution"]
    assert stem == depthwise == "f32"
    assert set(others) == {"bf16"}
    for kind in ("Reference", "Softmax", "GatherElements"):
        assert set(precisions[kind]) == {"f32"}
    for name in ("node_tanh", "node_exp", "node_exp_1"):
        (node,) = (n for n in compiled.get_runtime_model().get_ops() if name in names(n))
        assert node.get_rt_info()["outputPrecisions"].astype(str) == "f32"


def names(node: Any) -> list[str]:
    info = node.get_rt_info()
    return info["originalLayersNames"].astype(str).split(",") if "originalLayersNames" in info else []


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


def test_images_run_while_the_model_for_larger_parts_is_compiled() -> None:
    from service.engines.openvino.form import read_model
    from service.engines.openvino.model import OpenvinoModel, Request

    has_begun, may_end = threading.Event(), threading.Event()

    class SlowToCompile(OpenvinoModel):
        def _compile(self, count: int, num_threads: int, size: int, first: Request | None) -> list[Request]:
            if size == 4:
                has_begun.set()
                assert may_end.wait(60)
            return super()._compile(count, num_threads, size, first)

    model = SlowToCompile(read_model(DEFAULT / "model.onnx", "fp32", []), "fp32", num_threads=1, num_streams=1)
    with ThreadPoolExecutor(2) as threads:
        preparing = threads.submit(model.prepare, 4)
        try:
            assert has_begun.wait(60)
            running = threads.submit(model, np.zeros((1, 320, 320, 3), np.uint8))
            assert len(running.result(60)) == 3
            assert not preparing.done()
        finally:
            may_end.set()
    assert len(model(np.zeros((4, 320, 320, 3), np.uint8))[0]) == 4
    model.close()


@pytest.mark.parametrize(
    ("size", "parts"), [(1, [(0, 1)]), (3, [(0, 1), (1, 2), (2, 3)]), (4, [(0, 4)]), (9, [(0, 4), (4, 8), (8, 9)])]
)
def test_parts_cover_the_batch(size: int, parts: list[tuple[int, int]]) -> None:
    from service.engines.openvino.model import parts_of

    assert list(parts_of(size)) == parts


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


def test_first_inferences_at_once_do_not_block_each_other() -> None:
    subprocess.run([sys.executable, "-c", FIRST_INFERENCES_AT_ONCE], check=True, timeout=100)


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


def test_signals_reach_a_process_whose_engines_closed_in_the_order_of_opening() -> None:
    done = subprocess.run([sys.executable, "-c", OPEN_AND_CLOSE_ENGINES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "got the signal\n"), done.stderr
