"""Products of channels beside the exact quotient."""

import numpy as np

from service.detection.formats.transparency import grey_to_rgb, over_white, times_fourth

ALL_PAIRS = np.stack(
    [*np.broadcast_arrays(np.arange(256)[:, None], 255 - np.arange(256)[:, None], 7, np.arange(256))], axis=2
).astype(np.uint8)


def test_every_value_with_every_alpha_is_rounded_exactly() -> None:
    colour, alpha = ALL_PAIRS[..., :3].astype(int), ALL_PAIRS[..., 3:].astype(int)
    assert (over_white(ALL_PAIRS) == np.round((colour * alpha + 255 * (255 - alpha)) / 255)).all()
    assert (times_fourth(ALL_PAIRS) == np.round(colour * alpha / 255)).all()


def test_opaque_and_grey_pixels_keep_their_values() -> None:
    opaque = np.dstack([ALL_PAIRS[..., :3], np.full((256, 256), 255, np.uint8)])
    assert (over_white(opaque) == ALL_PAIRS[..., :3]).all()
    assert (grey_to_rgb(ALL_PAIRS[..., 0]) == ALL_PAIRS[..., :1]).all()


def test_an_image_of_one_pixel_and_a_long_one_are_normal_cases() -> None:
    assert over_white(np.zeros((1, 1, 4), np.uint8)).tolist() == [[[255, 255, 255]]]
    assert (over_white(np.zeros((1, 70_000, 4), np.uint8)) == 255).all()
