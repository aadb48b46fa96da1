"""SSD's augmentation moves boxes with their objects: the pixels show where the rectangles are."""

import numpy as np
import pytest

from models.data.ssd_augmentation import AugmentConfig, augment, crop, distort, expand, resize
from service.bundle import InputSpec
from tests.models.data.scenes import assert_on_objects, scene

SPEC = InputSpec(height=200, width=160, resize="stretch")
NO_AUGMENTATION = AugmentConfig(photometric=False, expand_probability=0, crop_probability=0, flip=0)


@pytest.mark.parametrize("seed", range(5))
def test_zooming_out_keeps_boxes_on_their_objects(seed: int) -> None:
    image, boxes, labels = scene(seed)
    rng = np.random.default_rng(seed)
    grown, moved = expand(image, boxes, 2.7, rng)
    assert grown.shape == (324, 432, 3)
    assert_on_objects(grown, moved, labels, 0)


def test_zooming_out_by_one_changes_nothing() -> None:
    image, boxes, _ = scene(0)
    grown, moved = expand(image, boxes, 1.0, np.random.default_rng(0))
    np.testing.assert_array_equal(grown, image)
    np.testing.assert_array_equal(moved, boxes)


@pytest.mark.parametrize("seed", range(30))
def test_zooming_in_keeps_boxes_on_their_objects(seed: int) -> None:
    image, boxes, labels = scene(seed)
    cut, kept, kept_labels = crop(image, boxes, labels, 0.3, np.random.default_rng(seed))
    assert len(kept) >= 1
    assert_on_objects(cut, kept, kept_labels, 0)
    assert (kept >= 0).all()
    assert (kept <= np.tile([cut.shape[1], cut.shape[0]], 2)).all()


def test_zooming_in_drops_objects_whose_centre_is_outside() -> None:
    counts = {len(crop(*scene(seed), 0.3, np.random.default_rng(seed))[1]) for seed in range(60)}
    assert counts == {1, 2}


def test_zooming_in_also_works_without_objects() -> None:
    image, boxes, labels = scene(0)
    cut, kept, kept_labels = crop(image, boxes[:0], labels[:0], 0.3, np.random.default_rng(0))
    assert kept.shape == (0, 4)
    assert kept_labels.shape == (0,)
    assert cut.size < image.size


def test_an_image_of_one_pixel_is_augmented() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    box = np.array([[0, 0, 1, 1]], np.float32)
    for seed in range(10):
        out, boxes, labels = augment(image, box, np.array([0]), SPEC, AugmentConfig(), np.random.default_rng(seed))
        assert out.shape == (200, 160, 3)
        assert len(boxes) == len(labels)


@pytest.mark.parametrize("seed", range(3))
def test_resizing_keeps_boxes_on_their_objects(seed: int) -> None:
    image, boxes, labels = scene(seed)
    resized, moved = resize(image, boxes, SPEC)
    assert resized.shape == (200, 160, 3)
    assert_on_objects(resized, moved, labels, 1)


@pytest.mark.parametrize("seed", range(40))
def test_the_whole_augmentation_keeps_boxes_on_their_objects(seed: int) -> None:
    image, boxes, labels = scene(seed)
    config = AugmentConfig(photometric=False, vertical_flip=0.5)
    out, kept, kept_labels = augment(image, boxes, labels, SPEC, config, np.random.default_rng(seed))
    assert out.shape == (200, 160, 3)
    assert_on_objects(out, kept, kept_labels, 4)  # a window of 48 px is enlarged more than three times


def test_without_augmentation_the_image_is_only_resized() -> None:
    image, boxes, labels = scene(1)
    out, kept, kept_labels = augment(image, boxes, labels, SPEC, NO_AUGMENTATION, np.random.default_rng(0))
    expected, moved = resize(image, boxes, SPEC)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(kept, moved)
    np.testing.assert_array_equal(kept_labels, labels)


def test_boxes_below_a_hundredth_of_the_side_are_dropped() -> None:
    image = np.zeros((1000, 1000, 3), np.uint8)
    boxes = np.array([[0, 0, 9, 500], [0, 0, 500, 9], [0, 0, 11, 11]], np.float32)
    out, kept, labels = augment(image, boxes, np.arange(3), SPEC, NO_AUGMENTATION, np.random.default_rng(0))
    assert labels.tolist() == [2]
    assert len(kept) == 1
    assert out.shape == (200, 160, 3)


def test_augmentation_does_not_change_its_input() -> None:
    image, boxes, labels = scene(2)
    before = image.copy(), boxes.copy(), labels.copy()
    for seed in range(10):
        augment(image, boxes, labels, SPEC, AugmentConfig(vertical_flip=0.5), np.random.default_rng(seed))
    for now, then in zip((image, boxes, labels), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_distortion_changes_colours_and_keeps_type_and_shape() -> None:
    image, _, _ = scene(3)
    changed = [distort(image, np.random.default_rng(seed)) for seed in range(20)]
    assert all(out.dtype == np.uint8 and out.shape == image.shape for out in changed)
    assert sum(not np.array_equal(out, image) for out in changed) >= 15


def test_a_grey_image_stays_grey_under_distortion() -> None:
    """Grey has no hue and no saturation to change."""
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    for seed in range(20):
        out = distort(grey, np.random.default_rng(seed)).astype(int)
        assert (out.max(axis=2) - out.min(axis=2)).max() <= 1


def test_a_letterboxed_input_keeps_the_aspect_ratio() -> None:
    image, boxes, labels = scene(1)
    letterbox = InputSpec(height=240, width=240, resize="letterbox")
    out, kept, kept_labels = augment(image, boxes, labels, letterbox, NO_AUGMENTATION, np.random.default_rng(0))
    assert out.shape == (240, 240, 3)
    assert (out[180:] == 114).all()
    np.testing.assert_allclose(kept, boxes * 1.5, rtol=1e-6)
    assert_on_objects(out, kept, kept_labels, 1)
