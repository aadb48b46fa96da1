"""Tensors that are built once: for training after evaluation, and anew in each trace."""

import torch
from torch import Tensor, nn

from models.constants import built_once


@built_once
def steps(count: int) -> Tensor:
    return torch.arange(float(count))


def test_the_same_arguments_give_the_same_tensor() -> None:
    assert steps(3) is steps(3)
    assert steps(4).tolist() == [0, 1, 2, 3]


def test_a_tensor_that_evaluation_built_serves_training() -> None:
    with torch.inference_mode():
        built = steps(5)
    raw = torch.ones(5, requires_grad=True)
    torch.autograd.backward((raw * built).sum())
    assert raw.grad is not None
    assert raw.grad.tolist() == [0, 1, 2, 3, 4]


def test_a_trace_leaves_no_tensor_behind() -> None:
    class Scale(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values * steps(6)

    program = torch.export.export(Scale(), (torch.ones(6),), strict=False)
    assert program.module()(torch.ones(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert type(steps(6)) is Tensor
