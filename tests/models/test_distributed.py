"""Batch norm over processes, and what one process alone makes of the sums over all."""

import pytest
import torch
from torch import nn

from models.distributed import broadcast, is_first, num_processes, sum_over_processes
from models.layers.batch_norm import SynchronisedBatchNorm2d, synchronise_batch_norm


def test_one_process_is_its_own_sum() -> None:
    assert (num_processes(), is_first()) == (1, True)
    tensor = torch.rand(3)
    assert sum_over_processes(tensor) is tensor
    assert broadcast("x") == "x"


@pytest.mark.parametrize("training", [True, False])
def test_a_synchronised_batch_norm_is_a_batch_norm(training: bool) -> None:
    torch.manual_seed(0)
    plain = nn.BatchNorm2d(4).double()
    for parameter in plain.parameters():
        nn.init.uniform_(parameter)
    model = nn.Sequential(nn.BatchNorm2d(4).double())
    model[0].load_state_dict(plain.state_dict())
    synchronise_batch_norm(model)
    assert isinstance(model[0], SynchronisedBatchNorm2d)
    for module in (plain, model):
        module.train(training)
    inputs = [torch.randn(3, 4, 5, 6, dtype=torch.float64) * 3 + 1 for _ in range(2)]
    weights = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    for x in inputs:
        results = []
        for module in (plain, model):
            own = x.clone().requires_grad_()
            output = module(own)
            (output * weights).sum().backward()
            results.append((output.detach(), own.grad))
        for expected, found in zip(*results, strict=True):
            torch.testing.assert_close(found, expected)
    assert model.state_dict().keys() == {f"0.{key}" for key in plain.state_dict()}
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[f"0.{key}"], value)
    for (_, expected_parameter), (_, parameter) in zip(plain.named_parameters(), model.named_parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected_parameter.grad)
