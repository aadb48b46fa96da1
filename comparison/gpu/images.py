"""Images for engines, and how far two engines may differ on them."""

from collections.abc import Callable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from comparison.gpu.step import check
from export.parity import CUT_OFF_MARGIN, ROUNDED_CUT_OFF_MARGIN, Difference, difference
from service.bundle import Bundle
from service.cores import num_cores
from service.detection.decode import decode_image
from service.engines.open import open_engine
from service.engines.protocol import Candidates

LIMITS = {"fp32": (1e-2, 1e-3), "fp16": (0.3, 0.01)}  # of boxes in pixels, and of scores


def golden_images(bundle: Bundle, count: int) -> NDArray[np.uint8]:
    """The bundle's golden image, mirrored, turned, darker and shifted in turn: uint8 (count, H, W, 3)."""
    golden = decode_image(bundle.golden_path.read_bytes(), max_pixels=10**7).pixels
    made = [golden, golden[:, ::-1], golden[::-1], golden // 2, np.roll(golden, 37, axis=1)]
    return np.stack([made[number % len(made)] for number in range(count)])


def check_difference(bundle: Bundle, precision: str, wanted: Candidates, found: Candidates, name: str) -> Difference:
    """How far two engines differ; raises CheckError if that is more than the precision explains."""
    margin = CUT_OFF_MARGIN if precision == "fp32" else ROUNDED_CUT_OFF_MARGIN
    result = difference(wanted, found, bundle.manifest.input, margin)
    boxes, scores = LIMITS[precision]
    check(not result.exceeds(boxes, scores), f"{name}: {result}; allowed: {boxes} px, {scores}, 0")
    return result


def compare_with_cpu(
    bundle: Bundle, precision: str, engine: Callable[[NDArray[np.uint8]], Candidates], batches: Sequence[int]
) -> list[Difference]:
    """Compare batches of several sizes with ONNX Runtime on the CPU in fp32; raises CheckError."""
    images = golden_images(bundle, max(batches))
    with closing(open_engine(bundle, "onnx", num_threads=num_cores())) as reference:
        wanted = reference(images)
    return [
        check_difference(bundle, precision, first(wanted, count), engine(images[:count]), f"{precision}, batch {count}")
        for count in batches
    ]


def first(candidates: Candidates, count: int) -> Candidates:
    """The candidates of the first images."""
    return Candidates(candidates.boxes[:count], candidates.scores[:count], candidates.labels[:count])


def worst(differences: list[Difference]) -> str:
    """The largest differences in words."""
    boxes, scores = max(d.boxes for d in differences), max(d.scores for d in differences)
    return f"within {boxes:.2g} px and {scores:.2g} in score"
