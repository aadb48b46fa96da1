"""A frozen batch norm always computes what batch norm computes in evaluation mode."""

import torch
from torch import Tensor, nn

from models.layers.batch_norm import FrozenBatchNorm2d, freeze_batch_norm


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
        network.train()(torch.randn(2, 3, 4, 4) + 3).square().sum().backward()
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
