"""Flips move boxes with their objects."""

import numpy as np
import pytest

from models.data.flip import random_flips
from tests.models.data.scenes import assert_on_objects, scene


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("probabilities", [(1, 0), (0, 1), (1, 1)])
def test_flips_keep_boxes_on_their_objects(seed: int, probabilities: tuple[float, float]) -> None:
    image, objects = scene(seed)
    rng = np.random.default_rng(0)
    flipped, moved = random_flips(image, objects, *probabilities, rng)
    assert not np.array_equal(flipped, image)
    assert_on_objects(flipped, moved, 0)
    np.testing.assert_array_equal(moved.ignored, moved.boxes)
    twice, moved_back = random_flips(flipped, moved, *probabilities, rng)
    np.testing.assert_array_equal(twice, image)
    np.testing.assert_array_equal(moved_back.boxes, objects.boxes)
