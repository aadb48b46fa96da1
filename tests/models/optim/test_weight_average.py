"""The weight average follows the model."""

import pytest
from torch import nn

from models.optim.weight_average import WeightAverage


def test_averaged_weights_follow_the_model_and_counters_are_copied() -> None:
    linear, norm = nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1)
    model = nn.Sequential(linear, norm)
    nn.init.zeros_(linear.weight)
    average = WeightAverage(model, 0.5)
    nn.init.ones_(linear.weight)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 7
    expected = 0.0
    for update in range(1, 20):
        average.update(model)
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay)
        assert average.state["0.weight"].item() == pytest.approx(expected)
    assert average.state["1.num_batches_tracked"] == 7
    assert linear.weight.item() == 1
