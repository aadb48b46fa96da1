"""The golden image: an engine that does not find in it what the exporter found is not served."""

from dataclasses import replace

import numpy as np

from service.bundle import Bundle, BundleError, Golden
from service.detection.iou import iou
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Detections, Options
from service.engines.engine import Engine, describe

GOLDEN_MIN_IOU = 0.9
GOLDEN_MAX_SCORE_DIFFERENCE = 0.05
GOLDEN_MAX_SHARE_OF_FLIPS = 0.2  # below fp32, where NMS may choose another of two boxes that score nearly the same


def check_golden(bundle: Bundle, engine: Engine) -> None:
    """Raise BundleError unless `engine` finds in the golden image what the exporter found there.

    Below fp32 a few detections may be missing: of 5,794 in 364 pictures of blood cells bf16 missed 23, two of about
    sixteen at most in any one, while an engine that computes something else finds next to none.
    """
    pipeline = Pipeline(bundle, engine)
    options = golden_options(bundle.manifest.golden, pipeline.options)
    (found,) = pipeline.detect([bundle.golden_path.read_bytes()], options)
    missing = unmatched(bundle.manifest.golden, found)
    is_exact = engine.precision == "fp32"
    if len(missing) > (0 if is_exact else GOLDEN_MAX_SHARE_OF_FLIPS * len(bundle.manifest.golden.detections)):
        raise BundleError(
            f"{bundle.path}: {engine.name} ({describe(engine)}) misses {len(missing)} of "
            f"{len(bundle.manifest.golden.detections)} detections in {bundle.golden_path.name}, so its answers would be wrong; "
            "try --precision fp32 or another --engine, or export the bundle again"
        )


def golden_options(golden: Golden, defaults: Options) -> Options:
    """The defaults, with a threshold below every golden score: what a weak model finds lies below the default one."""
    lowest = min((detection.score for detection in golden.detections), default=1.0)
    threshold = max(0.0, min(defaults.score_threshold, lowest - GOLDEN_MAX_SCORE_DIFFERENCE))
    return replace(defaults, score_threshold=threshold)


def unmatched(golden: Golden, found: Detections) -> list[int]:
    """The golden detections that no found one matches (same label, IoU at least 0.9, score within 0.05), by index."""
    missing = []
    for index, wanted in enumerate(golden.detections):
        overlaps = iou(np.array([wanted.box], np.float32), found.boxes)[0]
        is_match = (
            (found.labels == wanted.label)
            & (overlaps >= GOLDEN_MIN_IOU)
            & (np.abs(found.scores - wanted.score) <= GOLDEN_MAX_SCORE_DIFFERENCE)
        )
        if not is_match.any():
            missing.append(index)
    return missing
