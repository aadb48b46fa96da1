"""The pipeline: image files in, detections out."""

import numpy as np
from numpy.typing import NDArray

from service.bundle import Bundle
from service.detection.pipeline import Pipeline
from service.detection.postprocess import Options
from service.engines.protocol import Engine
from tests.tiny_bundle import golden_image, png

EVERYTHING = Options(method="gaussian", sigma=0.5, iou_threshold=0.45, score_threshold=0.0, max_detections=1000)


def test_boxes_are_in_image_pixels(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    large = golden_image().repeat(10, axis=0).repeat(5, axis=1)
    (found,) = Pipeline(tiny_bundle, tiny_engine).detect([large])
    assert found.labels.tolist() == [0, 1]
    np.testing.assert_allclose(found.boxes, [[80, 160, 160, 320], [200, 400, 280, 560]])


def test_a_batch_equals_its_images_run_alone(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    pipeline = Pipeline(tiny_bundle, tiny_engine, max_batch=2)
    images: list[bytes | NDArray[np.uint8]] = [
        png(golden_image()),
        golden_image()[::-1].copy(),
        np.zeros((1, 1, 3), np.uint8),
    ]
    together = pipeline.detect(images, EVERYTHING)
    for image, found in zip(images, together, strict=True):
        (alone,) = pipeline.detect([image], EVERYTHING)
        np.testing.assert_allclose(found.boxes, alone.boxes)
        np.testing.assert_allclose(found.scores, alone.scores)


def test_no_images_give_no_detections(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    assert Pipeline(tiny_bundle, tiny_engine).detect([]) == []


def test_an_image_without_objects_has_no_detections(tiny_bundle: Bundle, tiny_engine: Engine) -> None:
    (found,) = Pipeline(tiny_bundle, tiny_engine).detect([np.zeros((30, 20, 3), np.uint8)])
    assert len(found) == 0
    assert found.boxes.shape == (0, 4)
