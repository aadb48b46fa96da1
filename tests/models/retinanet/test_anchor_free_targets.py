"""Rasters, level selection and supervision of the anchor-free branch: examples, plain loops and limiting cases."""

import numpy as np
import pytest
import torch
from torch import Tensor

from models.detector import Targets
from models.retinanet.anchor_free_targets import (
    EFFECTIVE_SHARE,
    IGNORING_SHARE,
    Cells,
    cells_of,
    inside,
    raster,
    supervise,
)
from models.retinanet.level_selection import heuristic_levels, instance_losses, online_levels
from tests.models import oracles
from tests.models.retinanet import anchor_free_oracle as fsaf_oracle
from tests.models.retinanet.anchor_free_inputs import STRIDES, as_boxes, cells, key, random_targets, targets
from tests.models.retinanet.anchor_free_oracle import Cell

EXAMPLE = torch.tensor([[100.0, 60, 260, 140]])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (EFFECTIVE_SHARE, [(20, 11, 25, 14), (10, 5, 13, 7), (5, 2, 7, 4), (2, 1, 4, 2), (1, 0, 2, 1)]),
        (IGNORING_SHARE, [(17, 10, 28, 15), (8, 5, 14, 8), (4, 2, 7, 4), (2, 1, 4, 2), (1, 0, 2, 1)]),
    ],
)
def test_rasters_of_an_example(share: float, expected: list[tuple[int, ...]]) -> None:
    assert [tuple(cell) for cell in raster(EXAMPLE, share, cells())[0].tolist()] == expected


@pytest.mark.parametrize("share", [EFFECTIVE_SHARE, IGNORING_SHARE])
@pytest.mark.parametrize("seed", range(4))
def test_rasters_are_the_cells_that_the_box_overlaps(seed: int, share: float) -> None:
    grid, boxes = cells(), random_targets(seed, 20).boxes
    found = inside(raster(boxes, share, grid), grid)
    for m, box in enumerate(as_boxes(boxes.double())):
        for level, stride in enumerate(STRIDES):
            expected = fsaf_oracle.overlapped(box, share, grid.map_sizes[level], stride)
            own = (found[m] & (grid.level == level)).nonzero()[:, 0].tolist()
            assert {key(grid, n)[1:] for n in own} == expected


@pytest.mark.parametrize(
    "box",
    [
        [3.0, 3, 4, 4],  # far smaller than a cell of P3
        [8, 8, 8, 8],  # without area, on a corner of cells
        [0, 0, 2, 2],
        [382, 254, 384, 256],
        [384, 256, 384, 256],
        [-300, -300, 900, 900],  # larger than the image
        [0, 0, 384, 1],
    ],
)
def test_every_instance_has_a_cell_inside_the_map_at_each_level(box: list[float]) -> None:
    grid = cells()
    effective = raster(torch.tensor([box]), EFFECTIVE_SHARE, grid)[0]
    ignoring = raster(torch.tensor([box]), IGNORING_SHARE, grid)[0]
    extent = torch.tensor([(w, h) for h, w in grid.map_sizes])
    for cell in (effective, ignoring):
        assert (cell[:, :2] >= 0).all()
        assert (cell[:, 2:] <= extent).all()
        assert (cell[:, 2:] > cell[:, :2]).all()
    assert (ignoring[:, :2] <= effective[:, :2]).all()
    assert (ignoring[:, 2:] >= effective[:, 2:]).all()


@pytest.mark.parametrize(
    ("size", "level"), [(111.9, 3), (112, 4), (224, 5), (447, 5), (448, 6), (900, 7), (2000, 7), (16, 3), (0, 3)]
)
def test_the_heuristic_level_is_that_of_eq_3(size: float, level: int) -> None:
    box = torch.tensor([[10.0, 20, 10 + size, 20 + size]])
    assert 3 + heuristic_levels(box, 3, 5).item() == level


def test_the_heuristic_level_of_the_example_is_4() -> None:
    """sqrt(160 x 80) = 113.137."""
    assert 3 + heuristic_levels(EXAMPLE, 3, 5).item() == 4


def test_the_online_level_is_the_finest_with_the_smallest_loss() -> None:
    losses = torch.tensor([[3.0, 1, 2, 4, 5], [2, 2, 1, 1, 9], [7, 7, 7, 7, 7], [5, 4, 3, 2, 1]])
    assert online_levels(losses).tolist() == [1, 2, 0, 4]


@pytest.mark.parametrize("seed", range(4))
def test_instance_losses_equal_those_of_plain_loops(seed: int) -> None:
    grid, target = cells(), random_targets(seed)
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(grid), 3, generator=generator, dtype=torch.float64)
    distances = torch.rand(len(grid), 4, generator=generator, dtype=torch.float64) * 60
    boxes = torch.cat([grid.centres - distances[:, :2], grid.centres + distances[:, 2:]], dim=1)
    found = instance_losses(logits, boxes, Targets(target.boxes.double(), target.labels), grid)
    by_cell = {key(grid, n): row for n, row in enumerate(logits.tolist())}
    predicted = {key(grid, n): box for n, box in enumerate(as_boxes(boxes))}
    for m, (box, label) in enumerate(zip(as_boxes(target.boxes.double()), target.labels.tolist(), strict=True)):
        for level in range(5):
            expected = fsaf_oracle.instance_loss(box, label, level, by_cell, predicted, grid.map_sizes, STRIDES)
            assert found[m, level].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("level", range(5))
def test_an_instance_gets_the_level_that_predicts_it_best(level: int) -> None:
    grid, target = cells(), targets([[100.0, 60, 260, 140]], [2])
    logits = torch.full((len(grid), 3), -4.6)
    boxes = torch.tensor([[90.0, 40, 280, 170]]).repeat(len(grid), 1)
    boxes[grid.level == level] = target.boxes[0]
    assert online_levels(instance_losses(logits, boxes, target, grid)).tolist() == [level]
    logits[grid.level == (level + 1) % 5, 2] = 6  # a much better score outweighs the better box
    assert online_levels(instance_losses(logits, boxes, target, grid)).tolist() == [(level + 1) % 5]


def states(grid: Cells, classes: Tensor, is_ignored: Tensor) -> dict[tuple[Cell, int], str]:
    table = {}
    for n, k in (classes > 0).nonzero().tolist():
        table[key(grid, n), k] = "positive"
    for n, k in is_ignored.nonzero().tolist():
        assert (key(grid, n), k) not in table
        table[key(grid, n), k] = "ignored"
    return table


@pytest.mark.parametrize("seed", range(8))
def test_supervision_equals_that_of_plain_loops(seed: int) -> None:
    grid, target = cells(), random_targets(seed, 12)
    levels = torch.from_numpy(np.random.default_rng(seed).integers(0, 5, len(target.boxes)))
    found = supervise(target, levels, grid, 4)
    expected, owners = fsaf_oracle.supervise(
        as_boxes(target.boxes.double()), target.labels.tolist(), levels.tolist(), grid.map_sizes, STRIDES
    )
    assert states(grid, found.classes, found.is_ignored) == expected
    positive = found.is_positive.nonzero()[:, 0].tolist()
    assert {key(grid, n): int(found.instance[n]) for n in positive} == owners


@pytest.mark.parametrize(("level", "adjacent"), [(0, [0, 1]), (2, [1, 2, 3]), (4, [3, 4])])
def test_ignoring_boxes_apply_at_their_level_and_at_adjacent_levels(level: int, adjacent: list[int]) -> None:
    grid, target = cells(), targets([[100.0, 60, 260, 140]], [1])
    found = supervise(target, torch.tensor([level]), grid, 3)
    everywhere = inside(raster(target.boxes, IGNORING_SHARE, grid), grid)[0]
    for other in range(5):
        of_level = grid.level == other
        marked = found.is_ignored[:, 1] | found.is_positive
        assert torch.equal(marked[of_level], everywhere[of_level] & (other in adjacent))
        assert found.is_positive[of_level].any() == (other == level)
    assert not found.is_ignored[:, [0, 2]].any()


def test_the_smaller_of_overlapping_effective_boxes_gets_the_cells() -> None:
    grid = cells()
    large, small = [100.0, 60, 260, 140], [140.0, 80, 220, 120]
    for order, labels in (([large, small], [0, 1]), ([small, large], [1, 0])):
        found = supervise(targets(order, labels), torch.tensor([0, 0]), grid, 2)
        of_small = inside(raster(torch.tensor([small]), EFFECTIVE_SHARE, grid), grid)[0] & (grid.level == 0)
        assert of_small.sum() < found.is_positive.sum()
        assert torch.equal(found.classes[:, 1] > 0, of_small)
        assert (found.instance[of_small] == order.index(small)).all()
        assert found.is_ignored[of_small, 0].all()  # the class of the larger one is neither positive nor negative there


def test_overlapping_instances_of_one_class_are_both_positive() -> None:
    grid = cells()
    boxes = [[100.0, 60, 260, 140], [140.0, 80, 220, 120]]
    found = supervise(targets(boxes, [0, 0]), torch.tensor([0, 0]), grid, 1)
    both = inside(raster(torch.tensor(boxes), EFFECTIVE_SHARE, grid), grid).any(dim=0) & (grid.level == 0)
    assert torch.equal(found.classes[:, 0] > 0, both)


def test_the_first_of_two_identical_boxes_gets_the_cells() -> None:
    grid, box = cells(), [100.0, 60, 260, 140]
    found = supervise(targets([box, box], [1, 0]), torch.tensor([1, 1]), grid, 2)
    assert (found.instance[found.is_positive] == 0).all()
    assert torch.equal(found.classes[:, 1] > 0, found.is_positive)
    assert found.is_ignored[found.is_positive, 0].all()
    alone = supervise(targets([box], [1]), torch.tensor([1]), grid, 2)
    assert torch.equal(alone.is_positive, found.is_positive)


@pytest.mark.parametrize("seed", range(4))
def test_cells_in_ignored_areas_are_ignored_for_all_classes_unless_they_are_positive(seed: int) -> None:
    """The oracle is the plain supervision, and for each cell the share of its square inside an area."""
    grid, target = cells(), random_targets(seed, 6)
    areas = random_targets(seed + 40, 3).boxes
    levels = torch.from_numpy(np.random.default_rng(seed).integers(0, 5, len(target.boxes)))
    plain, found = (
        supervise(Targets(target.boxes, target.labels, own), levels, grid, 4) for own in (torch.zeros(0, 4), areas)
    )
    assert torch.equal(found.classes, plain.classes)
    assert torch.equal(found.is_positive, plain.is_positive)
    num_inside = 0
    for n in range(len(grid)):
        level, row, column = key(grid, n)
        stride = STRIDES[level]
        square = (column * stride, row * stride, (column + 1) * stride, (row + 1) * stride)
        is_inside = any(oracles.inside_share(square, area) >= 0.5 for area in as_boxes(areas.double()))
        num_inside += is_inside
        expected = [True] * 4 if is_inside and not plain.is_positive[n] else plain.is_ignored[n].tolist()
        assert found.is_ignored[n].tolist() == expected
    assert 20 < num_inside < len(grid)


def test_an_image_with_an_area_and_no_objects_has_ignored_cells() -> None:
    grid = cells()
    empty = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.tensor([[0.0, 0, 192, 256]]))
    found = supervise(empty, torch.zeros(0, dtype=torch.int64), grid, 2)
    assert torch.equal(found.is_ignored, (grid.centres[:, :1] < 193).expand(-1, 2))
    assert not found.is_positive.any()


def test_a_class_that_never_occurs_is_negative_everywhere() -> None:
    grid, target = cells(), random_targets(3)
    found = supervise(target, torch.zeros(len(target.boxes), dtype=torch.int64), grid, 5)
    assert not found.classes[:, 3:].any()
    assert not found.is_ignored[:, 3:].any()


def test_without_objects_all_cells_are_negative() -> None:
    grid, target = cells(), targets([], [])
    found = supervise(target, torch.zeros(0, dtype=torch.int64), grid, 2)
    assert not found.classes.any()
    assert not found.is_ignored.any()
    assert not found.is_positive.any()
    assert instance_losses(torch.zeros(len(grid), 2), torch.zeros(len(grid), 4), target, grid).shape == (0, 5)


def test_centres_are_the_middle_of_the_cells_in_the_order_of_the_maps() -> None:
    grid = cells_of(((2, 3), (1, 2)), (8, 16))
    assert grid.centres.tolist() == [[4, 4], [12, 4], [20, 4], [4, 12], [12, 12], [20, 12], [8, 8], [24, 8]]
    assert grid.level.tolist() == [0] * 6 + [1] * 2
    assert len(grid) == 8
