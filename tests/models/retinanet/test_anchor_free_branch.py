"""The anchor-free branch: decoding, equality of its loss with plain loops, and its gradient."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from models.retinanet.anchor_free_branch import AnchorFreeBranch, AnchorFreePredictions
from models.retinanet.anchor_free_targets import Cells, cells_of, inside, raster
from models.retinanet.level_selection import LevelSelection, select_levels
from tests.models.retinanet import anchor_free_oracle as fsaf_oracle
from tests.models.retinanet.anchor_free_inputs import STRIDES, as_boxes, cells, key, random_targets, targets


def branch(
    num_classes: int = 3, level_selection: LevelSelection = "online", strides: tuple[int, ...] = STRIDES
) -> AnchorFreeBranch:
    return AnchorFreeBranch(16, num_classes, strides, level_selection, weight=1.0)


def predictions(grid: Cells, batch: int, num_classes: int = 3, seed: int = 0) -> AnchorFreePredictions:
    """Random scores and distances that require a gradient."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, len(grid), num_classes, generator=generator)
    offsets = torch.rand(batch, len(grid), 4, generator=generator)
    return AnchorFreePredictions(logits.requires_grad_(), offsets.requires_grad_(), grid)


def gradients(found: AnchorFreePredictions, losses: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    assert found.logits.grad is not None
    assert found.offsets.grad is not None
    return found.logits.grad, found.offsets.grad


def test_initial_scores_are_a_hundredth_and_initial_distances_a_tenth() -> None:
    """FSAF §3.4: pi = 0.01, b = 0.1, sigma = 0.01."""
    torch.manual_seed(0)
    module = AnchorFreeBranch(256, 80, STRIDES, "online", 0.5)
    assert module.scores.bias is not None
    assert module.offsets.bias is not None
    assert sorted(set(module.scores.bias.tolist())) == pytest.approx([-4.59511985])
    assert sorted(set(module.offsets.bias.tolist())) == pytest.approx([0.1])
    for layer in (module.scores, module.offsets):
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)


@pytest.mark.parametrize(("num_classes", "count"), [(80, 193_620), (20, 55_320)])
def test_the_branch_has_193620_parameters_for_80_classes(num_classes: int, count: int) -> None:
    assert sum(p.numel() for p in AnchorFreeBranch(256, num_classes, STRIDES, "online", 0.5).parameters()) == count


def test_a_cell_of_the_example_decodes_to_its_box() -> None:
    """Row 6, column 11 of P4 is 5.25, 2.75, 4.75 and 2.25 cells from the sides of (100, 60, 260, 140); S = 4."""
    grid = cells()
    n = int(((grid.level == 1) & (grid.row == 6) & (grid.column == 11)).nonzero())
    offsets = torch.zeros(1, len(grid), 4)
    offsets[0, n] = torch.tensor([1.3125, 0.6875, 1.1875, 0.5625])
    found = branch().boxes(offsets, grid)
    assert found[0, n].tolist() == [100, 60, 260, 140]
    assert found[0, n + 1].tolist() == [200, 104, 200, 104]


def test_each_cell_has_a_score_only_for_its_best_class() -> None:
    grid = cells_of(((2, 2),), (8,))
    logits = torch.tensor([[-1.0, 2, 1], [3, 3, 0], [40, 50, 0], [-9, -8, -7]])[None]
    scores = branch(strides=(8,)).decode(AnchorFreePredictions(logits, torch.zeros(1, 4, 4), grid))[1][0]
    assert (scores > 0).sum(dim=1).tolist() == [1, 1, 1, 1]
    assert scores.argmax(dim=1).tolist() == [1, 0, 1, 2]
    assert scores[0, 1].item() == pytest.approx(1 / (1 + math.exp(-2)))


def test_predictions_have_the_order_of_the_cells() -> None:
    """If the heads copy their input, each cell receives its own row and column."""
    module = AnchorFreeBranch(2, 2, (8, 16), "online", 1.0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.scores.weight[0, 0, 1, 1] = module.scores.weight[1, 1, 1, 1] = 1
        module.offsets.weight[2, 0, 1, 1] = module.offsets.weight[3, 1, 1, 1] = 1
    maps = []
    for height, width in ((3, 4), (2, 2)):
        row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        maps.append(torch.stack([row, column])[None].float())
    found = module(maps, maps)
    place = torch.stack([found.cells.row, found.cells.column], dim=1).float()
    assert torch.equal(found.logits[0], place)
    assert torch.equal(found.offsets[0, :, 2:], place)
    assert not found.offsets[0, :, :2].any()


@pytest.mark.parametrize("level_selection", ["online", "heuristic"])
@pytest.mark.parametrize("seed", range(3))
def test_the_loss_equals_that_of_plain_loops(seed: int, level_selection: LevelSelection) -> None:
    grid = cells(128, 128)
    module = branch(level_selection=level_selection)
    found = predictions(grid, 2, seed=seed)
    objects = [random_targets(seed, 5), random_targets(seed + 9, 3)]
    losses = module.loss(found, objects)
    boxes = module.boxes(found.offsets, found.cells)
    classes = regression = 0.0
    count = 0
    for image, target in enumerate(objects):
        logits = {key(grid, n): row for n, row in enumerate(found.logits[image].tolist())}
        predicted = {key(grid, n): box for n, box in enumerate(as_boxes(boxes[image].double()))}
        levels = select_levels(module.level_selection, found.logits[image], boxes[image], target, grid).tolist()
        own = as_boxes(target.boxes.double())
        parts = fsaf_oracle.losses(own, target.labels.tolist(), levels, logits, predicted, grid.map_sizes, STRIDES)
        classes, regression, count = classes + parts[0], regression + parts[1], count + parts[2]
    assert losses["cell_scores"].item() == pytest.approx(classes / count, rel=1e-4)
    assert losses["cell_boxes"].item() == pytest.approx(regression / count, rel=1e-4)


def test_with_one_level_both_selections_have_the_same_loss() -> None:
    grid, target = cells_of(((16, 16),), (8,)), targets([[10.0, 10, 60, 90], [70, 20, 75, 100]], [0, 2])
    found = predictions(grid, 1)
    online = branch(level_selection="online", strides=(8,)).loss(found, [target])
    heuristic = branch(level_selection="heuristic", strides=(8,)).loss(found, [target])
    assert {name: value.item() for name, value in online.items()} == {
        name: value.item() for name, value in heuristic.items()
    }


def test_the_weight_scales_both_terms() -> None:
    found, target = predictions(cells(), 1), random_targets(1)
    whole = branch().loss(found, [target])
    half = AnchorFreeBranch(16, 3, STRIDES, "online", 0.5).loss(found, [target])
    for name, value in whole.items():
        assert half[name].item() == pytest.approx(value.item() / 2)


def test_ignored_cells_have_no_gradient_and_only_effective_cells_train_boxes() -> None:
    grid, target = cells(), targets([[100.0, 60, 260, 140]], [1])
    found = predictions(grid, 1)
    module = branch(level_selection="heuristic")  # level 4
    by_logit, by_offset = gradients(found, module.loss(found, [target]))
    effective = inside(raster(target.boxes, 0.2, grid), grid)[0] & (grid.level == 1)
    ignoring = inside(raster(target.boxes, 0.5, grid), grid)[0] & (grid.level <= 2) & ~effective
    assert not by_logit[0, ignoring, 1].any()
    assert by_logit[0, ~ignoring, 1].all()
    assert by_logit[0][:, [0, 2]].all()
    assert torch.equal(by_offset[0].any(dim=1), effective)


def test_level_selection_has_no_gradient() -> None:
    grid, target = cells(), random_targets(2)
    found = predictions(grid, 1)
    module = branch()
    levels = select_levels(
        module.level_selection, found.logits[0], module.boxes(found.offsets, found.cells)[0], target, grid
    )
    assert not levels.requires_grad
    assert found.logits.grad is None


EMPTY = targets([], [])


def test_a_batch_without_objects_trains_all_scores_towards_zero() -> None:
    found = predictions(cells(), 2)
    losses = branch().loss(found, [EMPTY, EMPTY])
    assert losses["cell_boxes"].item() == 0
    assert losses["cell_scores"].item() == pytest.approx(
        sum(fsaf_oracle.focal(logit, 0) for logit in found.logits.flatten().tolist()), rel=1e-4
    )
    by_logit, by_offset = gradients(found, losses)
    assert (by_logit > 0).all()
    assert not by_offset.any()


@pytest.mark.parametrize(
    "boxes",
    [
        [[51.0, 51, 52, 52]],  # one pixel in the cell of P3 from 48 to 56, next to its centre
        [[0, 0, 1, 1], [383, 255, 384, 256]],
        [[-500, -400, 900, 800]],
        [[0, 0, 384, 256]],
        [[0, 0, 384, 1], [0, 0, 1, 256]],
        [[100, 60, 260, 140], [100, 60, 260, 140]],
        [[50, 50, 50, 50]],
    ],
    ids=["tiny", "corners", "larger than the image", "the image", "lines", "identical", "without area"],
)
@pytest.mark.parametrize("level_selection", ["online", "heuristic"])
def test_unusual_objects_have_finite_losses_and_gradients(
    boxes: list[list[float]], level_selection: LevelSelection
) -> None:
    module = branch(level_selection=level_selection)
    found = predictions(cells(), 2)
    losses = module.loss(found, [targets(boxes, [0] * len(boxes)), EMPTY])
    for gradient in gradients(found, losses):
        assert gradient.isfinite().all()
    assert all(value.isfinite() for value in losses.values())
    assert losses["cell_boxes"] > 0


def test_a_tiny_object_next_to_the_cell_centre_has_a_box_gradient() -> None:
    """Box and target intersect even if the target does not contain the centre, so the IoU loss has a gradient."""
    grid, target = cells(), targets([[49.0, 49, 51, 51]], [0])
    found = predictions(grid, 1)
    _, by_offset = gradients(found, branch().loss(found, [target]))
    assert by_offset.any()


SIDES = (-0.3, 0.0, 0.4)


@pytest.mark.parametrize(
    "ltrb",
    [(1.0, 0.5, 0.3, 0.6), (0.01, 0.02, 0.02, 0.01), (-0.02, 0.1, 0.05, 0.1), (-0.02, -0.03, 0.06, 0.07)],
    ids=["around the centre", "tiny", "beside the centre", "diagonally beside the centre"],
)
def test_every_side_that_is_too_near_has_a_gradient_that_moves_it_out(ltrb: tuple[float, ...]) -> None:
    """Over a grid of raw outputs, negative ones and boxes without width included; ltrb / S in cells of the target.

    A positive side that is too far has a gradient that moves it in, unless the box has no area to lose.
    """
    grid = cells_of(((1, 1),), (8,))
    left, top, right, bottom = (4 * 8 * distance for distance in ltrb)
    target = targets([[4 - left, 4 - top, 4 + right, 4 + bottom]], [0])
    raw = torch.tensor(list(itertools.product(SIDES, repeat=4)))
    found = AnchorFreePredictions(torch.zeros(len(raw), 1, 1), raw[:, None].clone().requires_grad_(), grid)
    losses = branch(1, strides=(8,)).loss(found, [target] * len(raw))
    torch.autograd.backward(losses["cell_boxes"])
    assert found.offsets.grad is not None
    gradient = found.offsets.grad[:, 0]
    wanted = torch.tensor(ltrb).clamp(min=0)
    assert (gradient[(raw < wanted) & (wanted > 0)] < 0).all()
    is_flat = (raw[:, [1, 0, 1, 0]].clamp(min=0) + raw[:, [3, 2, 3, 2]].clamp(min=0)) == 0
    assert (gradient[(raw > wanted) & ~is_flat] > 0).all()
    assert (gradient[(raw > wanted) & is_flat] == 0).all()


def test_boxes_of_negative_outputs_have_no_extent() -> None:
    """FSAF §3.2: the offsets pass a ReLU, in the loss and in decoding."""
    grid = cells_of(((1, 1),), (8,))
    raw = torch.tensor([[[-1.0, 0.25, -2, 0]]])
    assert branch(3, strides=(8,)).decode(AnchorFreePredictions(torch.zeros(1, 1, 3), raw, grid))[0].tolist() == [
        [[4, -4, 4, 4]]
    ]
