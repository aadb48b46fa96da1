"""The offset convolution: equality with plain loops in float64, gradients, and positions computed from the paper."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.passd.offset_conv import OffsetConv, sample_taps, sampling_positions
from tests.models import oracles

A, SCORES, CHANNELS, HEIGHT, WIDTH = 2, 3, 4, 5, 6


def layer(seed: int = 0) -> OffsetConv:
    """A layer in float64 with weights and biases that differ clearly."""
    generator = torch.Generator().manual_seed(seed)
    module = OffsetConv(CHANNELS, A, SCORES).double()
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    return module


def inputs(seed: int, spread: float = 1.0) -> tuple[Tensor, Tensor]:
    """features (2, C, H, W) and geometry (2, A, 4, H, W): shifts of sigma `spread` cells, sizes of 0.5 to 8 cells."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(2, CHANNELS, HEIGHT, WIDTH, dtype=torch.float64, generator=generator)
    shift = torch.randn(2, A, 2, HEIGHT, WIDTH, dtype=torch.float64, generator=generator) * spread
    size = torch.rand(2, A, 2, HEIGHT, WIDTH, dtype=torch.float64, generator=generator) * 7.5 + 0.5
    return features, torch.cat([shift, size], dim=2)


def uniform_geometry(size: float, height: int = HEIGHT, width: int = WIDTH, boxes: int = A) -> Tensor:
    """Every box centred on its cell, `size` cells high and wide."""
    geometry = torch.zeros(1, boxes, 4, height, width, dtype=torch.float64)
    geometry[:, :, 2:] = size
    return geometry


def filters(module: OffsetConv, box: int) -> tuple[Tensor, Tensor]:
    """The (O, C, 3, 3) filters and (O,) biases of one box: of its scores, then of its deltas."""
    weights, biases = [], []
    for conv in (module.scores, module.deltas):
        assert conv.bias is not None
        weights.append(conv.weight.view(A, -1, CHANNELS, 3, 3)[box])
        biases.append(conv.bias.view(A, -1)[box])
    return torch.cat(weights), torch.cat(biases)


@pytest.mark.parametrize("seed", range(3))
def test_outputs_equal_those_of_plain_loops(seed: int) -> None:
    module, (features, geometry) = layer(seed), inputs(seed)
    output = module(features, geometry)
    assert output.shape == (2, A, SCORES + 4, HEIGHT, WIDTH)
    for box in range(A):
        weights, biases = filters(module, box)
        for o in range(SCORES + 4):
            for row in range(HEIGHT):
                for column in range(WIDTH):
                    expected = oracles.offset_conv(
                        features[1].tolist(),
                        weights[o].tolist(),
                        biases[o].item(),
                        tuple(geometry[1, box, :, row, column].tolist()),
                        (row, column),
                    )
                    assert output[1, box, o, row, column].item() == pytest.approx(expected, abs=1e-9)


def test_a_batch_gives_the_outputs_of_its_single_images() -> None:
    module, (features, geometry) = layer(), inputs(7)
    alone = torch.cat([module(features[i : i + 1], geometry[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(module(features, geometry), alone)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_boxes_of_24_48_72_px_at_stride_8_are_dilations_1_2_3(dilation: int) -> None:
    module, (features, _) = layer(), inputs(3)
    box_pixels = 24 * dilation
    output = module(features, uniform_geometry(box_pixels / 8).expand(2, -1, -1, -1, -1))
    for box in range(A):
        weights, biases = filters(module, box)
        plain = F.conv2d(features, weights, biases, padding=dilation, dilation=dilation)
        torch.testing.assert_close(output[:, box], plain, rtol=0, atol=1e-12)


def test_transposing_map_filters_and_geometry_transposes_the_output() -> None:
    module, (features, geometry) = layer(), inputs(5)
    swapped = layer()
    for conv in (swapped.scores, swapped.deltas):
        conv.weight.data = conv.weight.data.transpose(2, 3)
    output = swapped(features.transpose(2, 3), geometry[:, :, [1, 0, 3, 2]].transpose(3, 4))
    torch.testing.assert_close(output, module(features, geometry).transpose(3, 4))


POSITIONS = {
    "24 px: the regular grid": ((0, 0, 24 / 8, 24 / 8), (9, 10, 11), (19, 20, 21)),
    "the default box of 32 px": ((0, 0, 32 / 8, 32 / 8), (8.666667, 10, 11.333333), (18.666667, 20, 21.333333)),
    "a box moved by eq. 2": (
        (32 * -0.095199 / 8, 32 * 0.057765 / 8, 24 / 8, 48 / 8),
        (8.619203, 9.619203, 10.619203),
        (18.231059, 20.231059, 22.231059),
    ),
}


@pytest.mark.parametrize("name", POSITIONS)
def test_sampling_positions_at_row_10_column_20_of_stride_8(name: str) -> None:
    box, rows, columns = POSITIONS[name]
    geometry = torch.tensor(box, dtype=torch.float64).view(1, 1, 4, 1, 1).expand(1, 1, 4, 12, 24)
    positions = sampling_positions(geometry)[0, 0, :, 10, 20]  # (9, 2)
    expected = torch.tensor([(y, x) for y in rows for x in columns], dtype=torch.float64)
    torch.testing.assert_close(positions, expected, rtol=0, atol=1e-5)


def test_gradients_reach_features_geometry_and_weights() -> None:
    module, (features, geometry) = layer(), inputs(9)
    features, geometry = features[:1, :, :3, :3].contiguous(), geometry[:1, :, :, :3, :3].contiguous()
    parameters = [p.detach().requires_grad_() for p in module.parameters()]

    def run(features: Tensor, geometry: Tensor, *weights: Tensor) -> Tensor:
        names = [name for name, _ in module.named_parameters()]
        output = torch.func.functional_call(module, dict(zip(names, weights, strict=True)), (features, geometry))
        assert isinstance(output, Tensor)
        return output

    assert torch.autograd.gradcheck(run, (features.requires_grad_(), geometry.requires_grad_(), *parameters))


@pytest.mark.parametrize("far", [1e2, 1e6, 1e12, 1e30])
def test_the_output_is_the_bias_if_all_taps_are_far_outside_the_map(far: float) -> None:
    module, (features, geometry) = layer(), inputs(2)
    geometry[:, :, :2] = torch.tensor([far, -far]).view(1, 1, 2, 1, 1)
    geometry[:, :, 2:] = 1
    for dtype in (torch.float64, torch.float32):
        output = module.to(dtype)(features.to(dtype), geometry.to(dtype))
        torch.testing.assert_close(output, module.bias().view(1, A, -1, 1, 1).expand_as(output))


def test_only_the_centre_tap_of_a_huge_box_is_inside_the_map() -> None:
    module, (features, _) = layer(), inputs(2)
    output = module(features, uniform_geometry(1e9).expand(2, -1, -1, -1, -1))
    weights, biases = filters(module, 0)
    torch.testing.assert_close(output[:, 0], F.conv2d(features, weights[:, :, 1:2, 1:2], biases))


def test_outputs_on_a_map_of_one_cell_equal_those_of_plain_loops() -> None:
    module, (features, _) = layer(), inputs(4)
    output = module(features[:, :, :1, :1], uniform_geometry(1.5, 1, 1).expand(2, -1, -1, -1, -1))
    for box in range(A):
        weights, biases = filters(module, box)
        for o in range(SCORES + 4):
            expected = oracles.offset_conv(
                features[0, :, :1, :1].tolist(), weights[o].tolist(), biases[o].item(), (0, 0, 1.5, 1.5), (0, 0)
            )
            assert output[0, box, o, 0, 0].item() == pytest.approx(expected, abs=1e-9)


def test_a_bfloat16_map_does_not_change_the_positions() -> None:
    """bfloat16 positions would have an error of half a cell at column 100 of a map."""
    features = torch.zeros(1, 1, 1, 128)
    features[..., 100] = 1
    projected = features.repeat(1, 9, 1, 1).bfloat16()
    geometry = torch.zeros(1, 1, 4, 1, 128)
    geometry[:, :, 1] = 0.25
    output = sample_taps(projected, sampling_positions(geometry), torch.zeros(1, 1)).flatten()
    expected = [9 * value for value in (0.25, 0.75)]
    assert output[99:101].tolist() == pytest.approx(expected, rel=1e-4)


def test_initial_filters_are_gaussian_and_initial_biases_zero() -> None:
    """PASSD §6.1: sigma 0.01, bias 0."""
    module = OffsetConv(256, 3, 21)
    for conv in (module.scores, module.deltas):
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.02)
        assert conv.bias is not None
        assert not conv.bias.any()
    assert sum(p.numel() for p in module.parameters()) == math.prod((3, 25, 256 * 9 + 1))
