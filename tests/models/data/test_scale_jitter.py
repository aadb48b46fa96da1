"""Scale jitter keeps the aspect ratio, moves boxes with their objects, and pads images."""

from pathlib import Path

import numpy as np
import pytest

from models.data.loader import TrainingImages, training_batches
from models.data.scale_jitter import Scale, ScaleJitterConfig, jitter, pad_to_top_level, rescale
from models.data.voc import read_voc
from service.bundle import InputSpec
from service.detection.fit import LETTERBOX_GREY
from tests.models.data.scenes import assert_on_objects, no_objects, scene


@pytest.mark.parametrize(
    ("size", "scale", "expected"),
    [
        ((480, 640), (800, 1333), (800, 1067)),
        ((640, 480), (800, 1333), (1067, 800)),
        ((375, 500), (600, 1333), (600, 800)),
        ((300, 1000), (800, 1333), (400, 1333)),  # limited by the long side
        ((1600, 1600), (800, 1333), (800, 800)),
        ((480, 640), (512, 512), (384, 512)),  # a letterbox
        ((1, 1), (40, 60), (40, 40)),
        ((1, 500), (40, 60), (1, 60)),
    ],
)
def test_the_short_side_has_its_scale_unless_the_long_side_is_too_long(
    size: tuple[int, int], scale: Scale, expected: tuple[int, int]
) -> None:
    assert rescale(np.zeros((*size, 3), np.uint8), scale).shape == (*expected, 3)


@pytest.mark.parametrize("seed", range(6))
def test_jitter_keeps_boxes_on_their_objects(seed: int) -> None:
    image, objects = scene(seed)
    config = ScaleJitterConfig(scales=((150, 400), (240, 400), (300, 330)), vertical_flip=0.5)
    resized, moved = jitter(image, objects, config, np.random.default_rng(seed))
    assert resized.shape in [(256, 256, 3), (256, 384, 3)]
    assert_on_objects(resized, moved, 2)
    np.testing.assert_array_equal(moved.ignored, moved.boxes)


def test_every_scale_and_both_flips_are_drawn() -> None:
    image, objects = scene(0)
    config = ScaleJitterConfig(scales=((60, 200), (120, 200)))
    width = objects.boxes[0, 2] - objects.boxes[0, 0]
    all_boxes = [jitter(image, objects, config, np.random.default_rng(seed))[1].boxes for seed in range(40)]
    drawn = {
        (round(float((boxes[0, 2] - boxes[0, 0]) / width), 1), bool(boxes[0, 0] < boxes[1, 0])) for boxes in all_boxes
    }
    assert drawn == {(0.5, True), (0.5, False), (1, True), (1, False)}


def test_an_image_without_objects_is_jittered_too() -> None:
    resized, moved = jitter(scene(0)[0], no_objects(), ScaleJitterConfig(((60, 200),)), np.random.default_rng(0))
    assert resized.shape == (128, 128, 3)
    assert moved.boxes.shape == moved.ignored.shape == (0, 4)


@pytest.mark.parametrize(
    ("size", "expected"), [((100, 130), (128, 256)), ((128, 128), (128, 128)), ((1, 1), (128, 128))]
)
def test_padding_is_grey_at_the_right_and_the_bottom(size: tuple[int, int], expected: tuple[int, int]) -> None:
    height, width = size
    padded = pad_to_top_level(np.full((height, width, 3), 7, np.uint8))
    assert padded.shape == (*expected, 3)
    assert (padded[:height, :width] == 7).all()
    assert (padded[height:] == LETTERBOX_GREY).all()
    assert (padded[:, width:] == LETTERBOX_GREY).all()


def test_training_batches_are_padded_to_their_largest_image(voc_tree: Path) -> None:
    config = ScaleJitterConfig(scales=((64, 300), (150, 300)))  # images of 96 x 128 become 64 x 85 or 150 x 200
    images = TrainingImages(
        read_voc(voc_tree, "train"), InputSpec(height=128, width=128, resize="letterbox"), config, 3
    )
    for batch_size, shapes in ((1, {(1, 128, 128, 3), (1, 256, 256, 3)}), (6, {(6, 256, 256, 3)})):
        batches = list(training_batches(images, range(1), batch_size, 0))
        assert {tuple(batch.shape) for batch, _ in batches} == shapes
        for batch, targets in batches:
            for image, target in zip(batch, targets, strict=True):
                red_or_green = image.numpy().max(axis=2) - image.numpy().min(axis=2) > 100
                rows, columns = np.nonzero(red_or_green)
                whole = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                found = [*target.boxes[:, :2].amin(dim=0).tolist(), *target.boxes[:, 2:].amax(dim=0).tolist()]
                assert found == pytest.approx(whole, abs=2)
