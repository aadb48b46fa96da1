"""PASSD: numbers from the paper, invariants, and training on two images."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from models.boxes.geometry import cxcywh_to_xyxy, iou
from models.detector import Targets, normalise
from models.evaluation.torch_engine import TorchEngine
from models.passd.passd import PASSD, PASSDConfig, PASSDPredictions
from tests.models.pictures import CLASSES, draw

MOBILENET = PASSDConfig("mobilenet", 320)
SMALL = PASSDConfig("mobilenet", 128)


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))


def on_meta(config: PASSDConfig, num_classes: int) -> PASSD:
    """A model without memory, for counting parameters."""
    with torch.device("meta"):
        return PASSD(config, names(num_classes))


def num_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.fixture(scope="module")
def passd() -> PASSD:
    """A small untrained model."""
    torch.manual_seed(0)
    return PASSD(SMALL, names(3)).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("num_classes", "count"), [(20, 6_320_797), (80, 6_735_697)])
def test_mobilenet_has_the_parameters_of_table_6(num_classes: int, count: int) -> None:
    assert num_parameters(on_meta(MOBILENET, num_classes)) == count


def test_proposing_costs_41490_parameters() -> None:
    """Table 1: 24.87M - 24.82M."""
    model = on_meta(MOBILENET, 20)
    assert num_parameters(model.objectness) + num_parameters(model.proposals) == 41_490


def test_an_input_of_320_pixels_has_6375_boxes_on_maps_of_40_20_10_5() -> None:
    model = on_meta(MOBILENET, 20)
    assert model.map_sizes == [(40, 40), (20, 20), (10, 10), (5, 5)]
    assert len(model.default) == 6375


WORKED = [  # stride, size, raw shift (x, y), clipped shift, shift in pixels: eq. 2
    (8, 32.0, (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)),
    (8, 32.0, (1.0, -0.5), (0.09519927, -0.05776464), (3.046377, -1.848469)),
    (8, 32.0, (100.0, -100.0), (0.125, -0.125), (4.0, -4.0)),
    (16, 80.6349, (0.3, 0.7), (0.02890187, 0.05996088), (2.330501, 4.834942)),
    (64, 256.0, (2.0, 2.0), (0.12050345, 0.12050345), (30.848883, 30.848883)),
]


@pytest.mark.parametrize(("stride", "size", "raw", "clipped", "pixels"), WORKED)
def test_clipping_is_eq_2(
    stride: float, size: float, raw: tuple[float, float], clipped: tuple[float, float], pixels: tuple[float, float]
) -> None:
    model = PASSD(MOBILENET, names(1))
    [n, *_] = (
        ((model.stride[:, 0] == stride) & ((model.default[:, 2] - size).abs() < 1e-3)).nonzero().flatten().tolist()
    )
    outputs = torch.zeros(1, len(model.default), 4)
    outputs[0, n, :2] = torch.tensor(raw)
    proposal = model.propose(outputs)[0, n]
    assert proposal[:2].tolist() == pytest.approx(clipped, abs=1e-6)
    assert (proposal[:2] * model.default[n, 2:]).tolist() == pytest.approx(pixels, abs=1e-4)


@pytest.mark.parametrize("spread", [1e-3, 1.0, 1e3, 1e30])
def test_an_adjusted_centre_never_leaves_its_cell(passd: PASSD, spread: float) -> None:
    raw = torch.randn(4, len(passd.default), 4, generator=torch.Generator().manual_seed(2)) * spread
    shift = passd.propose(raw)[..., :2] * passd.default[:, 2:]
    assert (shift.abs() <= passd.stride / 2 * (1 + 1e-6)).all()


def test_unclipped_proposals_are_the_raw_outputs_times_the_variances() -> None:
    model = PASSD(replace(SMALL, proposing="unclipped"), names(1))
    raw = torch.randn(1, len(model.default), 4)
    torch.testing.assert_close(model.propose(raw), raw * torch.tensor([0.1, 0.1, 0.2, 0.2]))


def test_sampling_geometry_is_the_adjusted_box_in_cells(passd: PASSD) -> None:
    adjusted = passd.default + torch.tensor([3.0, -2, 8, 16])
    levels = passd.geometry(adjusted[None])
    for level, stride in enumerate(passd.strides):
        side = 128 // stride
        assert levels[level].shape == (1, 3, 4, side, side)
        for a, scale in enumerate(passd.config.box_scales):
            expected = [-2 / stride, 3 / stride, 4 * scale + 16 / stride, 4 * scale + 8 / stride]
            assert levels[level][0, a, :, -1, 0].tolist() == pytest.approx(expected, abs=1e-4)


def test_predictions_have_the_order_of_the_default_boxes(passd: PASSD) -> None:
    """If a head outputs row, column and box number, each default box receives its own."""
    side, stride = 16, 8
    output = torch.zeros(1, 3 * 3, side, side)
    for a in range(3):
        output[0, 3 * a] = torch.arange(side)[:, None].expand(side, side)
        output[0, 3 * a + 1] = torch.arange(side)
        output[0, 3 * a + 2] = a
    row, column, box = passd.per_box(output)[0].unbind(dim=1)
    default = passd.default[: 3 * side * side]
    torch.testing.assert_close((row + 0.5) * stride, default[:, 1])
    torch.testing.assert_close((column + 0.5) * stride, default[:, 0])
    torch.testing.assert_close(4 * stride * 2 ** (box / 3), default[:, 2])


def test_shapes_of_predictions_and_candidates(passd: PASSD, images: Tensor) -> None:
    predictions = passd(images)
    count = 3 * (16**2 + 8**2 + 4**2 + 2**2)
    assert predictions.objectness.shape == (2, count, 2)
    assert predictions.proposals.shape == predictions.adjusted.shape == predictions.deltas.shape == (2, count, 4)
    assert predictions.logits.shape == (2, count, 4)
    boxes, scores = passd.decode(predictions)
    assert boxes.shape == (2, count, 4)
    assert scores.shape == (2, count, 3)


def test_scores_have_no_column_for_the_background(passd: PASSD, images: Tensor) -> None:
    predictions = passd(images)
    background = torch.zeros_like(predictions.logits)
    background[..., 0] = 20
    scores = passd.decode(replace(predictions, logits=background))[1]
    assert scores.max() < 1e-6
    second = torch.zeros_like(predictions.logits)
    second[..., 2] = 20
    assert (passd.decode(replace(predictions, logits=second))[1].argmax(dim=2) == 1).all()


def test_zero_deltas_decode_to_the_default_boxes(passd: PASSD, images: Tensor) -> None:
    predictions = passd(images)
    zero = torch.zeros_like(predictions.deltas)
    unmoved = replace(predictions, adjusted=passd.default.expand_as(zero), deltas=zero)
    torch.testing.assert_close(passd.decode(unmoved)[0][0], cxcywh_to_xyxy(passd.default))


def test_a_batch_gives_the_outputs_of_its_single_images(passd: PASSD, images: Tensor) -> None:
    together = passd.decode(passd(images))
    for i in range(2):
        alone = passd.decode(passd(images[i : i + 1]))
        for part, own in zip(together, alone, strict=True):
            torch.testing.assert_close(part[i : i + 1], own, rtol=1e-4, atol=1e-3)


def test_targets_decode_to_their_objects(passd: PASSD, images: Tensor) -> None:
    """If the predicted deltas equal the targets, each matched box decodes to its object."""
    targets = [Targets(torch.tensor([[20.0, 30, 70, 60], [64, 64, 120, 126]]), torch.tensor([2, 0]))] * 2
    predictions = passd(images)
    found = passd.assign(predictions.adjusted, targets)
    labels = found.labels
    boxes, _ = passd.decode(replace(predictions, deltas=found.deltas * passd.variances))
    assert set(labels.flatten().tolist()) == {0, 3, 1}
    for m, label in enumerate((3, 1)):
        own = boxes[labels == label]
        torch.testing.assert_close(own, targets[0].boxes[m].expand_as(own), rtol=1e-4, atol=1e-2)


def test_without_objects_all_losses_are_zero(passd: PASSD, images: Tensor) -> None:
    empty = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    losses = passd.loss(passd(images), [empty, empty])
    assert {name: value.item() for name, value in losses.items()} == dict.fromkeys(
        ("objectness", "proposals", "scores", "boxes"), 0.0
    )


def test_an_image_without_objects_does_not_change_the_targets_of_other_images(passd: PASSD, images: Tensor) -> None:
    target = Targets(torch.tensor([[20.0, 30, 70, 60]]), torch.tensor([1]))
    empty = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    adjusted = passd(images).adjusted
    both, one = passd.assign(adjusted, [target, target]).labels, passd.assign(adjusted, [target, empty]).labels
    assert torch.equal(both[0], one[0])
    assert not one[1].any()


def with_gradients(passd: PASSD, images: Tensor) -> PASSDPredictions:
    """Predictions whose raw outputs keep their gradients."""
    found: PASSDPredictions = passd(images)
    assert found.objectness is not None
    for raw in (found.objectness, found.logits):
        raw.retain_grad()
    return found


def test_both_stages_ignore_boxes_in_ignored_areas(passd: PASSD, images: Tensor) -> None:
    """With the whole image ignored only positives have a gradient; in the image without an area negatives have one."""
    target = Targets(torch.tensor([[20.0, 30, 70, 60]]), torch.tensor([1]), torch.tensor([[-999.0, -999, 999, 999]]))
    found = with_gradients(passd, images)
    losses = passd.loss(found, [target, replace(target, ignored=torch.zeros(0, 4))])
    torch.autograd.backward(losses["objectness"] + losses["scores"])
    for raw, boxes in ((found.objectness, found.default.expand_as(found.adjusted)), (found.logits, found.adjusted)):
        assert raw is not None
        assert raw.grad is not None
        is_positive = passd.assign(boxes, [target, target]).labels > 0
        learns = raw.grad.any(dim=2)
        assert torch.equal(learns[0], is_positive[0])
        assert learns[1].sum() == 4 * is_positive[1].sum()


def test_images_without_objects_teach_both_stages_with_a_floor_of_negatives(images: Tensor) -> None:
    model = PASSD(replace(SMALL, min_negatives=16), names(3)).eval()
    empty = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    found = with_gradients(model, images)
    losses = model.loss(found, [empty, empty])
    assert {name: value.item() > 0 for name, value in losses.items()} == {
        "objectness": True,
        "proposals": False,
        "scores": True,
        "boxes": False,
    }
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    for raw in (found.objectness, found.logits):
        assert raw is not None
        assert raw.grad is not None
        assert raw.grad.any(dim=2).sum(dim=1).tolist() == [16, 16]


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
def test_offset_grad_is_the_share_of_the_gradient_that_reaches_the_proposals(passd: PASSD, share: float) -> None:
    def gradient(share: float) -> Tensor:
        model = PASSD(replace(SMALL, offset_grad=share), names(3))
        adjusted = (model.default + 1).requires_grad_()
        torch.autograd.backward(torch.stack([level.square().sum() for level in model.geometry(adjusted[None])]).sum())
        return torch.zeros_like(adjusted) if adjusted.grad is None else adjusted.grad

    if share == 0:
        adjusted = (passd.default + 1).requires_grad_()
        assert not any(level.requires_grad for level in passd.geometry(adjusted[None]))
    else:
        torch.testing.assert_close(gradient(share), gradient(1.0) * share)


def test_an_input_size_that_the_strides_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"input_size is 300.*multiple of 64"):
        PASSD(replace(MOBILENET, input_size=300), names(1))


def test_training_overfits_two_images() -> None:
    """After 40 steps each loss is below 0.4 of its first value, and both rectangles are detected with their label."""
    torch.manual_seed(0)
    pictures = [draw(seed, 128, 128) for seed in (1, 4)]
    batch = torch.stack([torch.from_numpy(picture.pixels) for picture in pictures])
    targets = [Targets(torch.from_numpy(picture.boxes), torch.from_numpy(picture.labels)) for picture in pictures]
    model = PASSD(SMALL, CLASSES)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.3  # so that the running statistics converge within 40 steps
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    history = []
    for _ in range(40):
        losses = model.loss(model(normalise(batch)), targets)
        history.append({name: value.item() for name, value in losses.items()})
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
    for name, first in history[0].items():
        assert history[-1][name] < 0.4 * first, name
    found = TorchEngine(model)(batch.numpy())
    for image, target in enumerate(targets):
        for box, label in zip(target.boxes, target.labels, strict=True):
            is_confident = torch.from_numpy((found.scores[image] > 0.5) & (found.labels[image] == label.item()))
            overlaps = iou(torch.from_numpy(found.boxes[image])[is_confident], box[None])
            assert overlaps.max() > 0.7
