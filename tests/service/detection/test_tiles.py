"""The views of large images: how many there are, and where they lie."""

import itertools

import numpy as np
import pytest

from service.bundle import InputSpec
from service.detection.tiles import OVERLAP, fitted_views, num_views, shortest_side, smallest_tile, tile_size, views_of

SPEC = InputSpec(height=100, width=100, resize="stretch")


@pytest.mark.parametrize("size", [(100, 101), (300, 250), (1000, 90), (99, 1000), (64, 4000), (101, 101)])
def test_the_tiles_cover_the_image_and_overlap_enough(size: tuple[int, int]) -> None:
    views = views_of(size, (100, 100))
    assert views[0].tolist() == [0, 0, size[1], size[0]]
    count = np.zeros(size, int)
    for left, top, right, bottom in views[1:].tolist():
        assert (right - left, bottom - top) == (min(100, size[1]), min(100, size[0]))
        count[top:bottom, left:right] += 1
    assert count.min() >= 1
    for side in (0, 1):
        edges = sorted(set(views[1:, side].tolist()))
        assert all(second - first <= 100 * (1 - OVERLAP) for first, second in itertools.pairwise(edges))


def test_an_object_up_to_the_overlap_is_whole_in_some_tile() -> None:
    views = views_of((350, 420), (100, 100))[1:]
    for left in range(420 - 25):
        for top in range(350 - 25):
            inside = (views[:, 0] <= left) & (views[:, 1] <= top)
            inside &= (views[:, 2] >= left + 25) & (views[:, 3] >= top + 25)
            assert inside.any(), (left, top)


@pytest.mark.parametrize("size", [(100, 100), (30, 100), (1, 1)])
def test_an_image_that_fits_into_a_tile_has_one_view(size: tuple[int, int]) -> None:
    assert views_of(size, (100, 100)).tolist() == [[0, 0, size[1], size[0]]]


@pytest.mark.parametrize("tile", [(100, 100), (1, 1), (30, 70), (10_000, 20), (64, 64)])
@pytest.mark.parametrize("size", [(100, 101), (300, 250), (97, 90), (1, 1), (64, 400)])
def test_views_can_be_counted_without_making_them(size: tuple[int, int], tile: tuple[int, int]) -> None:
    assert num_views(size, tile) == len(views_of(size, tile))


def test_the_smallest_tile_gives_the_most_views_within_the_limit() -> None:
    sizes = [(300, 250), (97, 90)]
    for limit in (2, 5, 20, 100):
        tile = smallest_tile(sizes, limit)
        assert tile is not None
        assert sum(num_views(size, (tile, tile)) for size in sizes) <= limit
        assert sum(num_views(size, (tile - 1, tile - 1)) for size in sizes) > limit


def test_there_is_no_smallest_tile_for_more_images_than_views() -> None:
    assert smallest_tile([(10, 10)] * 3, 2) is None
    assert smallest_tile([(10, 10)] * 3, 3) == 10


def test_automatic_tiles_go_by_the_input_and_by_the_most_views() -> None:
    spec = InputSpec(height=100, width=50, resize="stretch")
    assert tile_size("auto", spec, (1000, 1000)) == (200, 100)
    assert tile_size("auto", spec, (1000, 1000), max_views=num_views((1000, 1000), (200, 100))) == (200, 100)
    assert tile_size("auto", spec, (1000, 1000), max_views=num_views((1000, 1000), (200, 100)) - 1) == (400, 200)
    assert tile_size("auto", spec, (1000, 1000), max_views=0) == (3200, 1600)
    assert tile_size(70, spec, (1000, 1000), max_views=1) == (70, 70)


def test_each_view_is_fitted_into_the_input() -> None:
    image = np.arange(300 * 200 * 3, dtype=np.uint8).reshape(300, 200, 3)
    views = views_of((300, 200), (100, 100))
    fitted = list(fitted_views(image, views, SPEC))
    assert len(fitted) == len(views)
    left, top, right, bottom = views[-1].tolist()
    np.testing.assert_array_equal(fitted[-1], image[top:bottom, left:right])
    assert shortest_side(views) == 100
