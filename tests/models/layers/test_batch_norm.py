"""Frozen and synchronised batch norm compute the values of torch's batch norm."""

import pytest
import torch
from torch import Tensor, nn

from models.layers.batch_norm import (
    FrozenBatchNorm2d,
    SynchronisedBatchNorm2d,
    freeze_batch_norm,
    synchronise_batch_norm,
)


def trained_norm(channels: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels)
    with torch.no_grad():
        for tensor in (norm.weight, norm.bias, norm.running_mean):
            assert isinstance(tensor, Tensor)
            tensor.normal_()
        assert norm.running_var is not None
        norm.running_var.uniform_(0.1, 3)
    return norm.eval()


def test_a_frozen_norm_equals_batch_norm_in_evaluation_mode() -> None:
    norm = trained_norm(5)
    features = torch.randn(3, 5, 4, 6)
    network = nn.Sequential(nn.Identity(), nn.Sequential(norm))
    expected = network(features)
    freeze_batch_norm(network)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    torch.testing.assert_close(network.train()(features), expected)


def test_training_does_not_change_a_frozen_norm() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 1), FrozenBatchNorm2d(5))
    before = {name: tensor.clone() for name, tensor in network[1].state_dict().items()}
    optimizer = torch.optim.SGD(network.parameters(), 1.0, 0.9, weight_decay=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        torch.autograd.backward(network.train()(torch.randn(2, 3, 4, 4) + 3).square().sum())
        optimizer.step()
    for name, tensor in network[1].state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_weights_of_a_frozen_norm_count_as_parameters() -> None:
    assert sum(p.numel() for p in FrozenBatchNorm2d(7).parameters()) == 14


def test_a_frozen_norm_loads_the_state_dict_of_batch_norm() -> None:
    norm, frozen = trained_norm(4), FrozenBatchNorm2d(4)
    frozen.load_state_dict(norm.state_dict())
    features = torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(frozen(features), norm(features))
    assert set(frozen.state_dict()) == set(norm.state_dict()) - {"num_batches_tracked"}


def test_bfloat16_features_stay_bfloat16() -> None:
    assert FrozenBatchNorm2d(2)(torch.ones(1, 2, 3, 3, dtype=torch.bfloat16)).dtype == torch.bfloat16


@pytest.mark.parametrize("training", [True, False])
def test_with_one_process_a_synchronised_batch_norm_equals_batch_norm(training: bool) -> None:
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
            torch.autograd.backward((output * weights).sum())
            results.append((output.detach(), own.grad))
        for expected, found in zip(*results, strict=True):
            torch.testing.assert_close(found, expected)
    assert model.state_dict().keys() == {f"0.{key}" for key in plain.state_dict()}
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(model.state_dict()[f"0.{key}"], value)
    for (_, expected_parameter), (_, parameter) in zip(plain.named_parameters(), model.named_parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, expected_parameter.grad)
