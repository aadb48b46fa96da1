"""From candidates to detections."""

from dataclasses import replace

import numpy as np

from service.bundle import Bundle
from service.detection.annotate import annotate
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Options, default_options, postprocess
from service.engines.protocol import Engine, ImageCandidates
from tests.tiny_bundle import golden_image


def test_only_wanted_labels_are_kept(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    defaults = default_options(tiny_bundle.manifest.nms)
    only_green = Options(defaults.method, 0.5, 0.45, 0.6, 100, frozenset([1]))
    (found,) = Pipeline(tiny_bundle, tiny_engine).detect([golden_image()], only_green)
    assert found.labels.tolist() == [1]


def test_candidates_are_not_clipped_because_that_would_change_their_overlaps(tiny_bundle: Bundle) -> None:
    boxes, scores = np.array([[-16, 0, 32, 80], [0, 0, 8, 8]], np.float32), np.array([0.9, 0.2], np.float32)
    none = replace(default_options(tiny_bundle.manifest.nms), method=None)
    found = postprocess(
        ImageCandidates(boxes, scores, np.zeros(2, np.int32)), none, tiny_bundle.manifest.input, (128, 64)
    )
    np.testing.assert_allclose(found.boxes, [[-16, 0, 32, 160]])
    picture = annotate(np.zeros((128, 64, 3), np.uint8), found, ("a",))
    assert picture.startswith(b"\xff\xd8")
