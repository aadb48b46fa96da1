"""OpenVINO against ONNX Runtime on the packaged bundle, and the precision that it computes in."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
from numpy.typing import NDArray

from export.parity import difference
from service.bundle import read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Candidates, EngineError, Precision, describe
from tests.service.engines.golden_images import DEFAULT, golden_images
from tests.service.engines.openvino.bf16 import in_bf16

pytestmark = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is an optional engine: pip install .[cpu]"
)


@pytest.mark.parametrize("batch", [1, 5])
def test_openvino_in_fp32_agrees_with_onnx_runtime(batch: int) -> None:
    bundle = read_bundle(DEFAULT)
    images = golden_images(batch)
    reference = open_engine(bundle, "onnx", num_threads=1)(images)
    found = difference(reference, open_engine(bundle, "openvino", precision="fp32", num_threads=1)(images))
    assert (reference.scores > 0.05).sum() > 20 * batch  # the comparison has something to compare
    assert not found.exceeds(boxes=1e-3, scores=1e-4), found


@in_bf16
@pytest.mark.parametrize("batch", [1, 5])
def test_bf16_moves_boxes_by_less_than_a_pixel(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.engines.openvino import engine as openvino_engine

    bundle = read_bundle(DEFAULT)
    images = golden_images(batch)
    exact = open_engine(bundle, "openvino", precision="fp32", num_threads=1)(images)
    monkeypatch.setattr(openvino_engine, "choose_precision", lambda *_, **__: "bf16")  # also where it is slow
    engine = open_engine(bundle, "openvino", precision="bf16", num_threads=1)
    assert describe(engine) == "cpu, bf16"
    check_golden(bundle, engine)
    moved, changed = moves(exact, engine(images), score=0.5)
    assert 0 < np.median(moved) < 0.3
    assert np.quantile(moved, 0.95) < 0.7
    assert np.quantile(changed, 0.95) < 0.05


def moves(exact: Candidates, other: Candidates, *, score: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The distance to the nearest box of the same label, for each candidate above `score`: in pixels, and in score."""
    pixels, scores = [], []
    for image in range(len(exact.scores)):
        for row in np.flatnonzero(exact.scores[image] > score):
            peers = other.labels[image] == exact.labels[image][row]
            distances = np.abs(other.boxes[image][peers] - exact.boxes[image][row]).max(axis=1)
            nearest = int(distances.argmin())
            pixels.append(distances[nearest])
            scores.append(abs(other.scores[image][peers][nearest] - exact.scores[image][row]))
    return np.array(pixels, np.float32), np.array(scores, np.float32)


@pytest.mark.parametrize(
    ("wanted", "capabilities", "speedup", "expected"),
    [
        ("auto", ["BF16", "FP32"], 1.8, "bf16"),
        ("auto", ["BF16", "FP32"], 1.1, "fp32"),
        ("auto", ["FP32"], 1.8, "fp32"),
        ("fp32", ["BF16", "FP32"], 1.8, "fp32"),
        ("bf16", ["BF16", "FP32"], 0.5, "bf16"),
    ],
)
def test_auto_is_bf16_only_if_it_is_measured_to_be_faster(
    wanted: Precision, capabilities: list[str], speedup: float, expected: str
) -> None:
    from service.engines.openvino.engine import choose_precision

    assert choose_precision(wanted, capabilities, lambda: speedup) == expected


def test_bf16_on_a_cpu_without_it_is_refused_with_a_remedy() -> None:
    from service.engines.openvino.engine import choose_precision

    with pytest.raises(EngineError, match=r"cannot compute in bf16 on this CPU.*`--precision fp32`"):
        choose_precision("bf16", ["FP32", "INT8"])


def test_the_speed_of_bf16_is_measured_with_a_network_that_openvino_runs() -> None:
    from service.engines.openvino.bf16_speed import bf16_speedup

    assert 0 < bf16_speedup() < np.inf


def test_streams_serve_calls_at_once() -> None:
    bundle = read_bundle(DEFAULT)
    engine = open_engine(bundle, "openvino", precision="fp32", num_threads=1, num_streams=2)
    batches = [golden_images(3), golden_images(2), golden_images(1)] * 3
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(engine, batches))
    for images, found in zip(batches, together, strict=True):
        assert np.array_equal(found.scores, engine(images).scores)
    engine.close()
