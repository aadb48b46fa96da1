"""Inputs for the offset convolution's kernel, and its contract (service/engines/tensorrt/offset_conv.cu) in float64."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

BOXES = 3
TAPS = 9
GUARD = 4096  # floats before and after the output that the kernel must not touch
ODD_NUMBERS = (math.inf, -math.inf, math.nan, 3e38, -3e38, 2.0**31, 2.0**63, 1e-45)


@dataclass(frozen=True)
class Case:
    """z (B, A*9*O, H, W) and bias (A*O) in float or half; geometry (B, A*4, H, W) float, in cells; A = BOXES."""

    z: Tensor
    geometry: Tensor
    bias: Tensor


@dataclass(frozen=True)
class Output:
    """y (B, A*O, H, W) full of NaN, inside `memory`, which has GUARD more floats at both ends."""

    memory: Tensor
    y: Tensor

    def is_intact(self) -> bool:
        """Whether nothing around y was written."""
        return bool(self.memory[:GUARD].isnan().all() and self.memory[-GUARD:].isnan().all())


def make_case(
    batch: int,
    filters: int,
    height: int,
    width: int,
    dtype: torch.dtype,
    *,
    device: str,
    seed: int = 0,
    is_wild: bool = False,
) -> Case:
    """Random maps and boxes of 0 to 5 cells. If it is wild, boxes are larger than the map, on its border, or odd."""
    generator = torch.Generator(device).manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, device=device, generator=generator)

    z = normal(batch, BOXES * TAPS * filters, height, width).to(dtype)
    shift = normal(batch, BOXES, 2, height, width) * (2 if is_wild else 0.3)
    size = torch.rand(batch, BOXES, 2, height, width, device=device, generator=generator) * (15 if is_wild else 5)
    geometry = torch.cat([shift, size], dim=2)
    if is_wild:
        odd = torch.tensor(ODD_NUMBERS, device=device)
        for number in range(4):  # each of the four numbers of a box, in a row of its own
            geometry[:, :, number, number % height, :] = odd[torch.arange(width, device=device) % len(odd)]
        last = geometry[:, 0, :, -1].nan_to_num(0, 0, 0).clamp(-9, 9)
        geometry[:, 0, :, -1] = 3 * last.round()  # taps exactly on cells and on the border
    return Case(z, geometry.reshape(batch, BOXES * 4, height, width).contiguous(), normal(BOXES * filters).to(dtype))


def make_output(case: Case) -> Output:
    """Memory for the result of a case."""
    batch, _, height, width = case.z.shape
    size = batch * len(case.bias) * height * width
    memory = torch.full((GUARD + size + GUARD,), math.nan, device=case.z.device)
    return Output(memory, memory[GUARD:-GUARD].view(batch, len(case.bias), height, width))


def reference(case: Case, boxes: int = BOXES, dtype: torch.dtype = torch.float64) -> Tensor:
    """y (B, A*O, H, W) by gathering the four corners of each tap.  # PASSD §5.1.2, eq. 4-5"""
    batch, _, height, width = case.z.shape
    filters = len(case.bias) // boxes
    device = case.z.device
    rows = torch.arange(height, device=device, dtype=dtype).view(height, 1)
    columns = torch.arange(width, device=device, dtype=dtype)
    places = case.geometry.to(dtype).view(batch, boxes, 4, height, width)
    planes = case.z.to(dtype).reshape(batch, boxes, TAPS, filters, height * width)
    bias = case.bias.to(dtype).view(1, boxes, filters, 1)
    y = bias.expand(batch, boxes, filters, height * width).clone()
    for tap in range(TAPS):
        tap_y = rows + places[:, :, 0] + (tap // 3 - 1) * places[:, :, 2] / 3  # (B, A, H, W)
        tap_x = columns + places[:, :, 1] + (tap % 3 - 1) * places[:, :, 3] / 3
        is_near = (tap_y > -1) & (tap_y < height) & (tap_x > -1) & (tap_x < width)  # False for NaN
        tap_y, tap_x = torch.where(is_near, tap_y, 0), torch.where(is_near, tap_x, 0)
        for corner_y in (tap_y.floor(), tap_y.floor() + 1):
            for corner_x in (tap_x.floor(), tap_x.floor() + 1):
                is_inside = (corner_y >= 0) & (corner_y < height) & (corner_x >= 0) & (corner_x < width)
                weight = (1 - (tap_y - corner_y).abs()) * (1 - (tap_x - corner_x).abs()) * (is_near & is_inside)
                index = corner_y.clamp(0, height - 1) * width + corner_x.clamp(0, width - 1)
                index = index.long().view(batch, boxes, 1, height * width).expand_as(y)
                y += weight.view(batch, boxes, 1, height * width) * planes[:, :, tap].gather(3, index)
    return y.view(batch, boxes * filters, height, width)


def relative_error(y: Tensor, wanted: Tensor) -> float:
    """|y - wanted| / |wanted|, in float64."""
    return float((y.double() - wanted).norm() / wanted.norm())
