"""SSD's augmentation moves boxes with their objects: the pixels show where the rectangles are."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from models.data.data_set import Image
from models.data.objects import Objects
from models.data.ssd_augmentation import AugmentConfig, Window, augment, crop, cut, distort, expand
from models.detector import IMAGE_MEAN
from service.bundle import InputSpec
from service.detection.fit import boxes_to_input, fit
from tests.models.data.scenes import assert_on_objects, no_objects, scene

SPEC = InputSpec(height=200, width=160, resize="stretch")
NO_AUGMENTATION = AugmentConfig(photometric=False, expand_probability=0, crop_probability=0, flip=0)


def small_scene(seed: int) -> tuple[Image, Objects, Window]:
    """A scene of 120 x 160 pixels, and the window of the whole image."""
    image, objects = scene(seed)
    return image, objects, Window(0, 0, 160, 120)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [(324, 432), (200, 160), (90, 700)])
def test_zooming_out_keeps_boxes_on_their_objects(seed: int, size: tuple[int, int]) -> None:
    image, objects, whole = small_scene(seed)
    window = expand(whole, 2.7, np.random.default_rng(seed))
    assert (window.width, window.height) == (432, 324)
    grown, moved = cut(image, objects, window, InputSpec(height=size[0], width=size[1], resize="stretch"))
    assert grown.shape == (*size, 3)
    assert len(moved.boxes) == 2
    assert_on_objects(grown, moved, 2)
    np.testing.assert_array_equal(moved.ignored, moved.boxes)


def test_zooming_out_places_the_image_as_a_canvas_would() -> None:
    """At the size of the canvas nothing is resized: the pixels are those of the image, elsewhere the mean colour."""
    image, objects, whole = small_scene(0)
    window = expand(whole, 2.7, np.random.default_rng(0))
    grown, moved = cut(image, objects, window, InputSpec(height=324, width=432, resize="stretch"))
    canvas = np.full((324, 432, 3), IMAGE_MEAN, np.uint8)
    canvas[-window.top : 120 - window.top, -window.left : 160 - window.left] = image
    np.testing.assert_array_equal(grown, canvas)
    np.testing.assert_array_equal(moved.boxes, objects.boxes - np.tile([window.left, window.top], 2))


def test_zooming_out_by_one_changes_nothing() -> None:
    whole = Window(0, 0, 160, 120)
    assert expand(whole, 1.0, np.random.default_rng(0)) == whole


def test_a_large_photo_is_zoomed_out_without_a_canvas() -> None:
    """A canvas of four times the sides of this photo would take 288 MB; the peak is a few copies of the input."""
    photo = np.zeros((2000, 3000, 3), np.uint8)
    config = AugmentConfig(expand_probability=1, crop_probability=0, expand_max=4.0)
    tracemalloc.start()
    for seed in range(5):
        augment(photo, no_objects(), SPEC, config, np.random.default_rng(seed))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < photo.nbytes


@pytest.mark.parametrize("seed", range(30))
def test_zooming_in_keeps_boxes_on_their_objects(seed: int) -> None:
    image, objects, whole = small_scene(seed)
    window = crop(whole, objects.boxes, 0.3, np.random.default_rng(seed))
    size = InputSpec(height=window.height, width=window.width, resize="stretch")
    pixels, kept = cut(image, objects.inside(window.corners), window, size)
    assert len(kept.boxes) >= 1
    assert_on_objects(pixels, kept, 0)
    assert (kept.boxes >= 0).all()
    assert (kept.boxes <= np.tile([pixels.shape[1], pixels.shape[0]], 2)).all()


def test_zooming_in_drops_objects_whose_centre_is_outside() -> None:
    counts = set()
    for seed in range(60):
        _, objects, whole = small_scene(seed)
        window = crop(whole, objects.boxes, 0.3, np.random.default_rng(seed))
        counts.add(len(objects.inside(window.corners).boxes))
    assert counts == {1, 2}


def test_an_ignored_area_is_kept_if_any_part_of_it_is_in_the_window() -> None:
    areas = np.array([[0, 0, 60, 60], [0, 0, 50, 50], [80, 80, 90, 90]], np.float32)
    kept = Objects(areas, np.arange(3), areas).inside((50, 50, 100, 100))
    np.testing.assert_array_equal(kept.ignored, [[50, 50, 60, 60], [80, 80, 90, 90]])
    assert kept.labels.tolist() == [2]


def test_zooming_in_also_works_without_objects() -> None:
    _, _, whole = small_scene(0)
    window = crop(whole, no_objects().boxes, 0.3, np.random.default_rng(0))
    assert window.width * window.height < 160 * 120


def test_a_window_beside_the_image_has_the_mean_colour_and_no_objects() -> None:
    image, objects, _ = small_scene(0)
    pixels, kept = cut(image, objects, Window(160, 0, 40, 40), SPEC)
    assert (pixels == np.array(IMAGE_MEAN, np.uint8)).all()
    assert len(kept.boxes) == len(kept.ignored) == len(kept.labels) == 0


def test_an_image_of_one_pixel_is_augmented() -> None:
    image = np.zeros((1, 1, 3), np.uint8)
    box = np.array([[0, 0, 1, 1]], np.float32)
    for seed in range(20):
        out, kept = augment(image, Objects(box, np.array([0]), box), SPEC, AugmentConfig(), np.random.default_rng(seed))
        assert out.shape == (200, 160, 3)
        assert len(kept.boxes) == len(kept.labels)


@pytest.mark.parametrize("seed", range(40))
def test_the_whole_augmentation_keeps_boxes_on_their_objects(seed: int) -> None:
    image, objects = scene(seed)
    config = AugmentConfig(photometric=False, vertical_flip=0.5)
    out, kept = augment(image, objects, SPEC, config, np.random.default_rng(seed))
    assert out.shape == (200, 160, 3)
    assert_on_objects(out, kept, 4)  # a window of 48 px is enlarged more than three times


def test_without_augmentation_the_image_is_only_resized() -> None:
    image, objects = scene(1)
    out, kept = augment(image, objects, SPEC, NO_AUGMENTATION, np.random.default_rng(0))
    np.testing.assert_array_equal(out, fit(image, SPEC))
    np.testing.assert_allclose(kept.boxes, boxes_to_input(objects.boxes, SPEC, (120, 160)), rtol=1e-6)
    np.testing.assert_array_equal(kept.labels, objects.labels)


def test_boxes_below_a_hundredth_of_the_side_are_dropped() -> None:
    image = np.zeros((1000, 1000, 3), np.uint8)
    boxes = np.array([[0, 0, 9, 500], [0, 0, 500, 9], [0, 0, 11, 11]], np.float32)
    objects = Objects(boxes, np.arange(3), boxes)
    out, kept = augment(image, objects, SPEC, NO_AUGMENTATION, np.random.default_rng(0))
    assert kept.labels.tolist() == [2]
    assert len(kept.boxes) == 1
    assert out.shape == (200, 160, 3)


def test_augmentation_does_not_change_its_input() -> None:
    image, objects = scene(2)
    before = image.copy(), objects.boxes.copy(), objects.labels.copy()
    for seed in range(10):
        augment(image, objects, SPEC, AugmentConfig(vertical_flip=0.5), np.random.default_rng(seed))
    for now, then in zip((image, objects.boxes, objects.labels), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_distortion_changes_colours_and_keeps_type_and_shape() -> None:
    image, _ = scene(3)
    changed = [distort(image, np.random.default_rng(seed)) for seed in range(20)]
    assert all(out.dtype == np.uint8 and out.shape == image.shape for out in changed)
    assert sum(not np.array_equal(out, image) for out in changed) >= 15


def test_a_grey_image_stays_grey_under_distortion() -> None:
    """Grey has no hue and no saturation to change."""
    grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    for seed in range(20):
        out = distort(grey, np.random.default_rng(seed)).astype(int)
        assert (out.max(axis=2) - out.min(axis=2)).max() <= 1


@pytest.mark.parametrize("seed", range(4))
def test_a_letterboxed_input_keeps_the_aspect_ratio(seed: int) -> None:
    """The grey is at the bottom also after flips."""
    image, objects = scene(1)
    letterbox = InputSpec(height=240, width=240, resize="letterbox")
    config = dataclasses.replace(NO_AUGMENTATION, flip=0.5, vertical_flip=0.5)
    out, kept = augment(image, objects, letterbox, config, np.random.default_rng(seed))
    assert out.shape == (240, 240, 3)
    assert (out[180:] == 114).all()
    sizes, expected = (boxes[:, 2:] - boxes[:, :2] for boxes in (kept.boxes, objects.boxes * 1.5))
    np.testing.assert_allclose(sizes, expected, rtol=1e-5)
    assert_on_objects(out, kept, 1)
