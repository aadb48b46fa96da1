"""The precision of convolutions under autocast."""

import pytest
import torch
from torch import nn

from models.optim.mixed_precision import Precision, autocast, has_fast_bfloat16


@pytest.mark.parametrize(("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_convolution_runs_in_the_requested_precision(precision: Precision, expected: torch.dtype) -> None:
    with autocast("cpu", precision):
        assert nn.Conv2d(2, 2, 1)(torch.ones(1, 2, 3, 3)).dtype == expected


def test_auto_is_bfloat16_if_that_is_fast() -> None:
    with autocast("cpu", "auto"):
        output = nn.Conv2d(2, 2, 1)(torch.ones(1, 2, 3, 3))
    assert output.dtype == (torch.bfloat16 if has_fast_bfloat16("cpu") else torch.float32)
