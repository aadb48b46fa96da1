"""The alternatives to the offset convolution in PASSD's Tables 1 to 3."""

from dataclasses import replace
from typing import TypeVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.detector import Targets
from models.passd.attending import DeformableConv, FixedConv, ResBlock
from models.passd.offset_conv import OffsetConv
from models.passd.passd import PASSD, PASSDConfig

A, SCORES, CHANNELS = 2, 3, 4
Module = TypeVar("Module", bound=nn.Module)


def randomised(module: Module) -> Module:
    """The module in float64, with weights and biases that differ clearly."""
    generator = torch.Generator().manual_seed(0)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return module.double()


@pytest.fixture
def features() -> Tensor:
    return torch.randn(2, CHANNELS, 6, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def geometry_of(size: float) -> Tensor:
    geometry = torch.zeros(2, A, 4, 6, 7, dtype=torch.float64)
    geometry[:, :, 2:] = size
    return geometry


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_a_fixed_convolution_equals_the_offset_convolution_on_boxes_of_its_dilation(
    features: Tensor, dilation: int
) -> None:
    fixed = randomised(FixedConv(CHANNELS, A, SCORES, dilation, "conv", 0))
    offset = randomised(OffsetConv(CHANNELS, A, SCORES))
    geometry = geometry_of(3.0 * dilation)
    torch.testing.assert_close(fixed(features, geometry), offset(features, geometry))


def test_a_fixed_convolution_ignores_the_boxes(features: Tensor) -> None:
    fixed = randomised(FixedConv(CHANNELS, A, SCORES, 1, "conv", 0))
    assert torch.equal(fixed(features, geometry_of(3)), fixed(features, geometry_of(9)))


def test_a_deformable_convolution_with_zero_offsets_equals_a_plain_one(features: Tensor) -> None:
    deformable = randomised(DeformableConv(CHANNELS, A, SCORES))
    fixed = randomised(FixedConv(CHANNELS, A, SCORES, 1, "conv", 0))
    for name in ("scores", "deltas"):
        getattr(deformable, name).load_state_dict(getattr(fixed, name).state_dict())
    assert deformable.offsets.bias is not None
    nn.init.zeros_(deformable.offsets.weight)
    nn.init.zeros_(deformable.offsets.bias)
    torch.testing.assert_close(deformable(features, geometry_of(1)), fixed(features, geometry_of(1)))


def test_a_deformable_convolution_moves_each_tap_by_its_own_offset(features: Tensor) -> None:
    """Offsets are (y, x) of tap 0, 1, …: an offset of two cells down for tap 5 changes only the input of that tap."""
    deformable = randomised(DeformableConv(CHANNELS, A, SCORES))
    offsets = deformable.offsets
    assert offsets.bias is not None
    nn.init.zeros_(offsets.weight)
    nn.init.zeros_(offsets.bias)
    with torch.no_grad():
        still = deformable(features, geometry_of(1))
        offsets.bias[2 * 5] = 2
        moved = deformable(features, geometry_of(1))
    padded = F.pad(features, (1, 1, 1, 3))  # one cell on each side, and two more below
    before, after = padded[:, :, 1:7, 2:9], padded[:, :, 3:9, 2:9]  # tap 5 is in the middle row, right column
    for a in range(A):
        weights = torch.cat(
            [conv.weight.view(A, -1, CHANNELS, 3, 3)[a, :, :, 1, 2] for conv in (deformable.scores, deformable.deltas)]
        )
        expected = torch.einsum("oc,bchw->bohw", weights, after - before)
        torch.testing.assert_close((moved - still)[:, a], expected)


def test_a_residual_block_with_zero_weights_is_a_relu(features: Tensor) -> None:
    block = ResBlock(CHANNELS).double()
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(block(features), F.relu(features))


def test_score_and_delta_towers_are_independent(features: Tensor) -> None:
    """PASSD §7.1.1: "their parameters are independent for classification and box regression"."""
    fixed = randomised(FixedConv(CHANNELS, A, SCORES, 1, "conv", 2))
    before = fixed(features, geometry_of(1))
    for parameter in fixed.score_tower.parameters():
        nn.init.zeros_(parameter)
    after = fixed(features, geometry_of(1))
    assert torch.equal(before[:, :, SCORES:], after[:, :, SCORES:])
    assert not torch.allclose(before[:, :, :SCORES], after[:, :, :SCORES])


SMALL = PASSDConfig("mobilenet", 64)


@pytest.mark.parametrize(
    "config",
    [
        replace(SMALL, proposing="none", attending="conv"),
        replace(SMALL, proposing="none", attending="conv", tower="resblock", tower_depth=1),
        replace(SMALL, proposing="unclipped", attending="conv", dilation=2),
        replace(SMALL, attending="deformable"),
        replace(SMALL, new_conv_norm="none"),
    ],
)
def test_all_parameters_of_each_variant_have_a_gradient(config: PASSDConfig) -> None:
    torch.manual_seed(0)
    model = PASSD(config, ("a", "b"))
    predictions = model(torch.randn(2, 3, 64, 64))
    losses = model.loss(predictions, [Targets(torch.tensor([[8.0, 8, 40, 50]]), torch.tensor([1]))] * 2)
    assert set(losses) == {"scores", "boxes"} | (set() if config.proposing == "none" else {"objectness", "proposals"})
    assert torch.stack(list(losses.values())).isfinite().all()
    raw = (predictions.objectness, predictions.proposals, predictions.logits, predictions.deltas)
    torch.autograd.backward(torch.stack([output.sum() for output in raw if output is not None]).sum())
    without_gradient = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without_gradient == []
    boxes, scores = model.decode(predictions)
    assert boxes.shape == (2, 255, 4)
    assert scores.shape == (2, 255, 2)


def test_without_proposing_the_adjusted_boxes_are_the_default_boxes() -> None:
    model = PASSD(replace(SMALL, proposing="none", attending="conv"), ("a",)).eval()
    predictions = model(torch.randn(2, 3, 64, 64))
    assert torch.equal(predictions.adjusted, model.default.expand(2, -1, -1))
    assert predictions.objectness is None


def test_a_tower_before_the_offset_convolution_is_refused() -> None:
    with pytest.raises(ValueError, match="only attending 'conv' has towers"):
        PASSD(replace(SMALL, tower_depth=1), ("a",))
