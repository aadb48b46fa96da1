"""The packaged bundle in TensorRT's engine, whose network and kernel a stand-in computes, against ONNX Runtime."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from export.parity import CUT_OFF_MARGIN, ROUNDED_CUT_OFF_MARGIN, difference
from service.bundle import Bundle, read_bundle
from service.detection.golden import check_golden
from service.engines.open import open_engine
from service.engines.protocol import Candidates, Engine
from tests.service.engines.golden_images import DEFAULT, golden_images
from tests.service.engines.tensorrt.stand_in_engine import put_in_place, with_engine

MAX_BATCH = 4
COUNTS = 1, 3, 4, 9  # the engine pads the second and divides the last
TOLERANCES = {"fp32": (1e-2, 1e-3, CUT_OFF_MARGIN), "fp16": (0.3, 0.01, ROUNDED_CUT_OFF_MARGIN)}


def images() -> NDArray[np.uint8]:
    """Images, no two of which are equal."""
    five = golden_images(5)
    return np.concatenate([five, np.roll(five, 11, axis=2)])[: max(COUNTS)]


def rows_of(candidates: Candidates, rows: list[int]) -> Candidates:
    return Candidates(candidates.boxes[rows], candidates.scores[rows], candidates.labels[rows])


@pytest.fixture(scope="module")
def reference() -> Candidates:
    """What ONNX Runtime finds in the images."""
    return open_engine(read_bundle(DEFAULT), "onnx", num_threads=1)(images())


@pytest.fixture(scope="module", params=["fp32", "fp16"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bundle, Engine]]:
    """The packaged bundle with an engine, and this engine with two lanes; closing it gives everything back."""
    precision: Literal["fp32", "fp16"] = request.param
    with pytest.MonkeyPatch.context() as patch:
        device = put_in_place(patch)
        bundle = with_engine(
            read_bundle(DEFAULT), tmp_path_factory.mktemp("engine"), precision=precision, max_batch=MAX_BATCH
        )
        engine = open_engine(bundle, "tensorrt", num_streams=None)
        assert (engine.precision, engine.num_streams, engine.batch_sizes) == (precision, 2, (1, 2, 4))
        yield bundle, engine
        engine.close()
        device.memory.check_freed()
        assert not device.live()


def test_the_golden_image_passes(opened: tuple[Bundle, Engine]) -> None:
    check_golden(*opened)


def test_it_agrees_with_onnx_runtime_at_every_number_of_images(
    opened: tuple[Bundle, Engine], reference: Candidates
) -> None:
    bundle, engine = opened
    boxes, scores, margin = TOLERANCES[engine.precision]
    for count in COUNTS:
        answer = engine(images()[:count])
        assert len(answer.boxes) == len(answer.scores) == len(answer.labels) == count
        rows = sorted({0, count - 1})  # to compare all of them takes long
        wanted = rows_of(reference, rows)
        assert (wanted.scores > 0.05).sum() > 10 * len(rows)  # the comparison has something to compare
        found = difference(wanted, rows_of(answer, rows), bundle.manifest.input, margin)
        assert not found.exceeds(boxes, scores), f"{count} images: {found}"


def test_two_lanes_answer_four_threads_bit_for_bit(opened: tuple[Bundle, Engine]) -> None:
    _, engine = opened
    pictures = images()
    alone = [engine(pictures[start : start + 2]) for start in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda turn: engine(pictures[turn % 4 : turn % 4 + 2]), range(8)))
    for turn, found in enumerate(together):
        wanted = alone[turn % 4]
        assert np.array_equal(found.boxes, wanted.boxes)
        assert np.array_equal(found.scores, wanted.scores)
        assert np.array_equal(found.labels, wanted.labels)
