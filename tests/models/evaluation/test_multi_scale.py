"""Evaluation at several scales: boxes are in pixels of the original image, and one NMS joins all views."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from models.evaluation.multi_scale import detect, multi_scale, single_scale, view
from models.presets.catalogue import find_preset
from models.retinanet.retinanet import RetinaNetConfig
from service.engines.protocol import Candidates
from tests.fake_engine import FakeEngine
from tests.models.pictures import COLOURS, draw


class ColourFinder(FakeEngine):
    """An engine that finds the box around the pixels of each colour, and records the shapes of its inputs."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, images: NDArray[np.uint8]) -> Candidates:
        self.sizes.append(images.shape)
        boxes = []
        for colour in COLOURS.values():
            rows, columns = np.nonzero(np.abs(images[0].astype(int) - colour).max(axis=2) < 100)
            found = len(rows) > 0
            boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if found else [0, 0, 0, 0])
        scores = np.array([[0.9 if box[2] else 0.0 for box in boxes]], np.float32)
        return Candidates(np.array([boxes], np.float32), scores, np.arange(len(boxes), dtype=np.int32)[None])


PICTURE = next(picture for picture in map(draw, range(50)) if set(picture.labels) == {0, 1})


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [(60, 200), (96, 128), (300, 500), (300, 330)])
def test_boxes_of_a_view_are_in_pixels_of_the_original_image(scale: tuple[int, int], mirrored: bool) -> None:
    boxes, scores, labels = view(ColourFinder(), PICTURE.pixels, scale, mirrored)
    for box, label in zip(PICTURE.boxes, PICTURE.labels, strict=True):
        np.testing.assert_allclose(boxes[labels == label][0], box, atol=1.7)
    assert (scores > 0).all()


def test_views_are_padded_to_whole_cells_and_joined_by_one_nms() -> None:
    engine = ColourFinder()
    found = detect(engine, PICTURE.pixels, [(60, 200), (96, 128), (300, 500)], flip=True)
    assert engine.sizes == [(1, 128, 128, 3)] * 4 + [(1, 384, 512, 3)] * 2
    assert sorted(found.labels.tolist()) == [0, 1]
    for box, label in zip(PICTURE.boxes, PICTURE.labels, strict=True):
        np.testing.assert_allclose(found.boxes[found.labels == label][0], box, atol=1.7)


def test_an_image_without_objects_has_no_detections() -> None:
    assert len(detect(ColourFinder(), np.full((50, 70, 3), 90, np.uint8), [(60, 200)], flip=True)) == 0


def test_scales_are_those_of_the_paper() -> None:
    """FSAF §4.1 and §4.2."""
    preset = find_preset("retinanet-fsaf-resnet101-multiscale")
    assert single_scale(preset) == ((800, 1333),)
    assert [short for short, _ in multi_scale(preset)] == [400, 500, 600, 700, 900, 1000, 1100, 1200]
    assert multi_scale(preset)[-1] == (1200, 2000)


def test_scales_of_a_small_model_are_in_proportion() -> None:
    preset = find_preset("retinanet-fsaf-512-resnet50")
    assert single_scale(preset) == ((512, 512),)
    assert multi_scale(preset)[::7] == ((256, 256), (768, 768))
    from_scratch = replace(
        find_preset("fsaf-320-mobilenet"), model=RetinaNetConfig("mobilenet", 384, num_frozen_stages=0)
    )
    assert single_scale(from_scratch) == ((384, 384),)
