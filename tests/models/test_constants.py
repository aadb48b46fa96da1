"""Tensors that are built once: for training after evaluation, and anew in each trace."""

import torch
from torch import Tensor, nn

from models.constants import built_once


@built_once
def steps(count: int) -> Tensor:
    return torch.arange(count) * torch.tensor(1.0)


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


def test_each_default_dtype_has_its_own_tensor() -> None:
    single = steps(7)
    torch.set_default_dtype(torch.float64)
    try:
        assert steps(7).dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert steps(7) is single


def test_a_trace_leaves_no_tensor_behind() -> None:
    class Scale(nn.Module):
        def forward(self, values: Tensor) -> Tensor:
            return values * steps(6)

    program = torch.export.export(Scale(), (torch.ones(6),), strict=False)
    assert program.module()(torch.ones(6)).tolist() == [0, 1, 2, 3, 4, 5]
    assert type(steps(6)) is Tensor
