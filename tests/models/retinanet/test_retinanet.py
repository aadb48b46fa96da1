"""RetinaNet with and without FSAF: numbers from the papers, invariants, and training on two images."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.backbones.build import BackboneName
from models.backbones.resnet import ResNet
from models.boxes.geometry import cxcywh_to_xyxy, iou
from models.candidates import best_candidates
from models.detector import Targets, normalise
from models.evaluation.torch_engine import TorchEngine
from models.layers.batch_norm import FrozenBatchNorm2d
from models.retinanet.retinanet import Branches, RetinaNet, RetinaNetConfig
from tests.models.pictures import CLASSES, draw

BRANCHES: tuple[Branches, ...] = ("anchor-based", "anchor-free", "joint")
SMALL = RetinaNetConfig("mobilenet", 128, channels=32, tower_depth=2, backbone_norm="batch", num_frozen_stages=0)
EMPTY = Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


def names(count: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(count))


def on_meta(config: RetinaNetConfig, num_classes: int) -> RetinaNet:
    """A model without memory, for counting parameters."""
    with torch.device("meta"):
        return RetinaNet(config, names(num_classes))


def num_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.fixture(scope="module")
def joint() -> RetinaNet:
    """A small untrained model with both branches; its weights are large enough for scores of all sizes."""
    torch.manual_seed(0)
    model = RetinaNet(SMALL, names(3))
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight)
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        model(torch.randn(2, 3, 128, 128))  # sets the statistics of the norms
    return model.eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(2, 3, 128, 128, generator=torch.Generator().manual_seed(1))


COUNTS: dict[tuple[BackboneName, int], tuple[int, int, int]] = {  # anchor-based, anchor-free, joint
    ("resnet50", 80): (37_968_692, 36_419_732, 38_162_312),
    ("resnet101", 80): (56_960_820, 55_411_860, 57_154_440),
    ("resnext101", 80): (95_866_932, 94_317_972, 96_060_552),
    ("resnet50", 20): (36_723_992, 36_281_432, 36_779_312),
    ("resnet101", 20): (55_716_120, 55_273_560, 55_771_440),
    ("resnext101", 20): (94_622_232, 94_179_672, 94_677_552),
}


@pytest.mark.parametrize(("backbone", "num_classes"), COUNTS)
def test_number_of_parameters_is_the_expected_one(backbone: BackboneName, num_classes: int) -> None:
    counts = []
    for branches in BRANCHES:
        model = on_meta(RetinaNetConfig(backbone, 512, branches), num_classes)
        counts.append(num_parameters(model))
    assert tuple(counts) == COUNTS[backbone, num_classes]


@pytest.mark.parametrize(("branches", "multiply_adds"), [*zip(BRANCHES, (238.54, 205.51, 242.66), strict=True)])
def test_resnet50_at_1280_by_800_pixels_has_the_expected_multiply_adds(
    branches: Branches, multiply_adds: float
) -> None:
    """mmdetection counts 239.32 for RetinaNet, norms and ReLUs included."""
    model = on_meta(RetinaNetConfig("resnet50", 512, branches), 80)
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, 800, 1280))
    assert counter.get_total_flops() / 2e9 == pytest.approx(multiply_adds, abs=0.005)


def test_trained_parameters_are_those_of_detectron() -> None:
    """Counts of two reference implementations of RetinaNet R-50.

    detectron2, without frozen norms: 37,915,572 parameters, 31,452,352 of them in backbone and pyramid. mmdetection,
    which trains the affine part of the norms: 225,344 parameters in the stem and stage 1.
    """
    model = on_meta(RetinaNetConfig("resnet50", 512, "anchor-based"), 80)
    norms = sum(num_parameters(layer) for layer in model.modules() if isinstance(layer, FrozenBatchNorm2d))
    assert norms == 53_120
    assert num_parameters(model) - norms == 37_915_572
    assert num_parameters(model.backbone) + num_parameters(model.fpn) - norms == 31_452_352
    backbone = model.backbone
    assert isinstance(backbone, ResNet)
    early = num_parameters(backbone.conv1) + num_parameters(backbone.bn1) + num_parameters(backbone.layer1)
    assert early == 225_344
    early_norms = sum(
        num_parameters(layer)
        for part in (nn.ModuleList([backbone.bn1]), backbone.layer1)
        for layer in part.modules()
        if isinstance(layer, FrozenBatchNorm2d)
    )
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == 37_915_572 - (225_344 - early_norms)


def test_frozen_stages_and_norms_are_not_trained() -> None:
    model = on_meta(replace(SMALL, backbone="resnet50", backbone_norm="frozen", num_frozen_stages=3), 3)
    frozen = {name.split(".")[1] for name, p in model.named_parameters() if not p.requires_grad and p.ndim > 1}
    assert frozen == {"conv1", "layer1", "layer2"}
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules())
    assert all(p.requires_grad for p in on_meta(SMALL, 3).parameters())


def test_initial_weights_are_those_of_the_papers() -> None:
    torch.manual_seed(0)
    model = RetinaNet(replace(SMALL, channels=128), names(20))
    assert model.anchor_based is not None
    assert model.anchor_based.scores.bias is not None
    assert sorted(set(model.anchor_based.scores.bias.tolist())) == pytest.approx([-math.log(99)])
    for layer in (*model.class_tower, *model.box_tower, model.anchor_based.deltas):
        if isinstance(layer, nn.Conv2d):
            assert layer.bias is not None
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
            assert not layer.bias.any()


def test_levels_are_p3_to_p7(joint: RetinaNet) -> None:
    maps = joint.fpn(joint.backbone(torch.zeros(1, 3, 256, 384)))
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 256 // s, 384 // s) for s in (8, 16, 32, 64, 128)]


@pytest.mark.parametrize("branches", BRANCHES)
def test_each_branch_has_its_number_of_candidates(images: Tensor, branches: Branches) -> None:
    model = RetinaNet(replace(SMALL, branches=branches), names(3)).eval()
    cells = 16**2 + 8**2 + 4**2 + 2**2 + 1
    count = {"anchor-based": 9 * cells, "anchor-free": cells, "joint": 10 * cells}[branches]
    boxes, scores = model.decode(model(images))
    assert boxes.shape == (2, count, 4)
    assert scores.shape == (2, count, 3)


def test_a_batch_gives_the_outputs_of_its_single_images(joint: RetinaNet, images: Tensor) -> None:
    together = joint.decode(joint(images))
    for i in range(2):
        alone = joint.decode(joint(images[i : i + 1]))
        for part, own in zip(together, alone, strict=True):
            torch.testing.assert_close(part[i : i + 1], own, rtol=1e-4, atol=1e-2)


def test_candidates_are_the_best_of_each_level_and_branch(joint: RetinaNet, images: Tensor) -> None:
    """FSAF §3.4 keeps the best 1000 of each level above 0.05, here 50; some levels have more, some fewer."""
    model = RetinaNet(replace(joint.config, candidates_per_level=50), joint.classes).eval()
    model.load_state_dict(joint.state_dict())
    predictions = model(images)
    boxes, scores = model.decode(predictions)
    cells = [16**2, 8**2, 4**2, 2**2, 1]
    parts = torch.split(scores, [9 * n for n in cells] + cells, dim=1)
    starts = torch.tensor([0] + [part.shape[1] for part in parts]).cumsum(0)
    found = model.candidates(predictions, 400)
    for image in range(2):
        merged: list[tuple[float, int, int]] = []
        for start, part in zip(starts.tolist(), parts, strict=False):
            pairs = [
                (s, start + n, k) for n, row in enumerate(part[image].tolist()) for k, s in enumerate(row) if s > 0.05
            ]
            merged += sorted(pairs, reverse=True)[:50]
        merged.sort(reverse=True)
        count = int((found[1][image] > 0.05).sum())
        assert 50 < count == len(merged) < 400
        assert found[1][image, :count].tolist() == pytest.approx([score for score, _, _ in merged])
        torch.testing.assert_close(found[0][image, :count].sum(), boxes[image, [n for _, n, _ in merged]].sum())


def test_without_a_limit_the_levels_compete(joint: RetinaNet, images: Tensor) -> None:
    predictions = joint(images)
    found, expected = joint.candidates(predictions, 50), best_candidates(*joint.decode(predictions), 50)
    assert all(torch.equal(own, other) for own, other in zip(found, expected, strict=True))


def test_both_branches_have_candidates_and_a_cell_has_one_class(joint: RetinaNet, images: Tensor) -> None:
    scores = joint.decode(joint(images))[1]
    of_anchors, of_cells = torch.split(scores, [9 * 341, 341], dim=1)
    assert ((of_cells > 0).sum(dim=2) == 1).all()
    assert ((of_anchors > 0).sum(dim=2) == 3).all()


def test_the_joint_loss_is_the_anchor_loss_plus_half_the_cell_loss(joint: RetinaNet, images: Tensor) -> None:
    """FSAF §3.4: L = L_ab + 0.5 (L_cls + L_reg)."""
    target = [Targets(torch.tensor([[20.0, 30, 70, 60]]), torch.tensor([1])), EMPTY]
    predictions = joint(images)
    assert joint.anchor_based is not None
    assert joint.anchor_free is not None
    whole = joint.loss(predictions, target)
    assert set(whole) == {"anchor_scores", "anchor_boxes", "cell_scores", "cell_boxes"}
    anchors = joint.anchor_based.loss(predictions.anchor_based, target)
    joint.anchor_free.weight, weight = 1.0, joint.anchor_free.weight
    cells = joint.anchor_free.loss(predictions.anchor_free, target)
    joint.anchor_free.weight = weight
    total = sum(value.item() for value in whole.values())
    assert total == pytest.approx(
        sum(v.item() for v in anchors.values()) + 0.5 * sum(v.item() for v in cells.values()), rel=1e-6
    )


def test_anchor_targets_decode_to_their_objects(joint: RetinaNet, images: Tensor) -> None:
    targets = [Targets(torch.tensor([[20.0, 30, 70, 60], [64, 64, 120, 126]]), torch.tensor([2, 0]))] * 2
    predictions = joint(images).anchor_based
    branch = joint.anchor_based
    assert branch is not None
    classes, deltas, is_positive, is_ignored = branch.assign(predictions.anchors, targets)
    assert not (is_positive & is_ignored).any()
    assert torch.equal(classes.sum(dim=2) > 0, is_positive)
    boxes, _ = branch.decode(replace(predictions, deltas=deltas))
    for m, label in enumerate((2, 0)):
        found = boxes[classes[..., label] > 0]
        assert len(found) >= 2
        torch.testing.assert_close(found, targets[0].boxes[m].expand_as(found), rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("boxes", [[], [[20.0, 30, 70, 60]]])
def test_anchors_in_ignored_areas_have_no_gradient_unless_they_are_positive(
    joint: RetinaNet, images: Tensor, boxes: list[list[float]]
) -> None:
    area = torch.tensor([[-999.0, -999, 999, 999]])
    target = Targets(torch.tensor(boxes).reshape(-1, 4), torch.ones(len(boxes), dtype=torch.int64), area)
    predictions, branch = joint(images).anchor_based, joint.anchor_based
    assert branch is not None
    predictions.logits.retain_grad()
    losses = branch.loss(predictions, [target, replace(target, ignored=torch.zeros(0, 4))])
    torch.autograd.backward(losses["anchor_scores"])
    _, _, is_positive, is_ignored = branch.assign(predictions.anchors, [target, target])
    learns = predictions.logits.grad.any(dim=2)
    assert torch.equal(learns[0], is_positive[0])
    assert torch.equal(~is_ignored[0], is_positive[0])
    assert learns[1].sum() > len(predictions.anchors) // 2


def test_zero_deltas_decode_to_the_anchors(joint: RetinaNet, images: Tensor) -> None:
    predictions = joint(images).anchor_based
    unmoved = replace(predictions, deltas=torch.zeros_like(predictions.deltas))
    assert joint.anchor_based is not None
    torch.testing.assert_close(joint.anchor_based.decode(unmoved)[0][0], cxcywh_to_xyxy(predictions.anchors))


UNUSUAL: dict[str, list[list[float]]] = {
    "none": [],
    "tiny": [[51.0, 51, 52, 52]],
    "corners": [[0.0, 0, 1, 1], [127, 127, 128, 128]],
    "huge": [[-300.0, -300, 500, 500]],
    "the image": [[0.0, 0, 128, 128]],
    "identical": [[30.0, 30, 70, 80], [30, 30, 70, 80]],
}


@pytest.mark.parametrize("objects", UNUSUAL)
@pytest.mark.parametrize("branches", BRANCHES)
def test_unusual_objects_have_finite_losses_and_gradients(images: Tensor, branches: Branches, objects: str) -> None:
    """Class 2 has no objects."""
    torch.manual_seed(0)
    model = RetinaNet(replace(SMALL, branches=branches), names(3))
    corners = UNUSUAL[objects]
    target = Targets(torch.tensor(corners).reshape(-1, 4), torch.arange(len(corners)) % 2)
    losses = model.loss(model(images), [target, EMPTY])
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    boxes = [value.item() for name, value in losses.items() if name.endswith("boxes")]
    assert all(value > 0 for value in boxes) if corners else boxes == [0] * len(boxes)


def test_an_input_size_that_c5_does_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match=r"input_size is 336; it must be a multiple of 32"):
        RetinaNet(replace(SMALL, input_size=336), names(1))


def test_levels_above_c5_round_their_size_up(joint: RetinaNet) -> None:
    """At 320 pixels P6 and P7 have 5 and 3 cells a side, and both branches have the same cells."""
    predictions = joint(torch.zeros(1, 3, 320, 160))
    assert predictions.anchor_free.cells.map_sizes == ((40, 20), (20, 10), (10, 5), (5, 3), (3, 2))
    boxes, scores = joint.decode(predictions)
    assert boxes.shape[1] == scores.shape[1] == 10 * (40 * 20 + 20 * 10 + 10 * 5 + 5 * 3 + 3 * 2)


@pytest.mark.parametrize("branches", BRANCHES)
def test_training_overfits_two_images(branches: Branches) -> None:
    """After 60 steps each loss is below 0.4 of its first value, and both rectangles are detected with their label."""
    torch.manual_seed(0)
    pictures = [draw(seed, 128, 128) for seed in (1, 4)]
    batch = torch.stack([torch.from_numpy(picture.pixels) for picture in pictures])
    targets = [Targets(torch.from_numpy(picture.boxes), torch.from_numpy(picture.labels)) for picture in pictures]
    model = RetinaNet(replace(SMALL, branches=branches), CLASSES)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.3  # so that the running statistics converge within 60 steps
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    history = []
    for _ in range(60):
        losses = model.loss(model(normalise(batch)), targets)
        history.append({name: value.item() for name, value in losses.items()})
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(losses.values())).sum())
        optimizer.step()
    found = TorchEngine(model)(batch.numpy())
    for image, target in enumerate(targets):
        for box, label in zip(target.boxes, target.labels, strict=True):
            is_confident = torch.from_numpy((found.scores[image] > 0.3) & (found.labels[image] == label.item()))
            overlaps = iou(torch.from_numpy(found.boxes[image])[is_confident], box[None])
            assert len(overlaps)
            assert overlaps.max() > 0.7
    for name, first in history[0].items():
        assert history[-1][name] < 0.4 * first, name
