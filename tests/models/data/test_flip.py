"""Flips move boxes with their objects."""

import numpy as np
import pytest

from models.data.flip import flip, vertical_flip
from tests.models.data.scenes import assert_on_objects, scene


@pytest.mark.parametrize("seed", range(5))
def test_flips_keep_boxes_on_their_objects(seed: int) -> None:
    image, boxes, labels = scene(seed)
    for mirror in (flip, vertical_flip):
        mirrored, moved = mirror(image, boxes)
        assert_on_objects(mirrored, moved, labels, 0)
        twice, moved_back = mirror(mirrored, moved)
        np.testing.assert_array_equal(twice, image)
        np.testing.assert_array_equal(moved_back, boxes)
