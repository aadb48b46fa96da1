"""The precision of convolutions under autocast, and the scale of gradients in float16."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from models.optim.mixed_precision import Precision, autocast, choose_precision, has_fast_bfloat16, make_scaler


@pytest.fixture
def new_answers() -> Iterator[None]:
    """Ask the device again before and after a test."""
    has_fast_bfloat16.cache_clear()
    yield
    has_fast_bfloat16.cache_clear()


@pytest.mark.parametrize(("precision", "expected"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_a_convolution_runs_in_the_requested_precision(precision: Precision, expected: torch.dtype) -> None:
    with autocast("cpu", precision):
        assert nn.Conv2d(2, 2, 1)(torch.ones(1, 2, 3, 3)).dtype == expected


def test_auto_is_bfloat16_if_that_is_fast() -> None:
    with autocast("cpu", "auto"):
        output = nn.Conv2d(2, 2, 1)(torch.ones(1, 2, 3, 3))
    assert output.dtype == (torch.bfloat16 if has_fast_bfloat16("cpu") else torch.float32)


@pytest.mark.usefixtures("new_answers")
@pytest.mark.parametrize(("is_fast", "expected"), [(True, "bf16"), (False, "fp16")])
def test_auto_on_a_gpu_is_float16_if_bfloat16_is_only_emulated(
    is_fast: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every GPU emulates bfloat16; compute capability 8.0 and above have it."""
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or is_fast
    )
    assert choose_precision("cuda", "auto") == expected
    assert choose_precision("cuda", "fp32") == "fp32"
    assert choose_precision("cuda", "fp16") == "fp16"


def test_float16_is_refused_on_a_cpu() -> None:
    with pytest.raises(ValueError, match="precision is fp16, which is for GPUs; a CPU takes auto, fp32 or bf16"):
        choose_precision("cpu", "fp16")


def test_gradients_are_scaled_only_in_float16() -> None:
    assert not make_scaler("cpu", "bf16").is_enabled()
    assert not make_scaler("cpu", "fp32").is_enabled()
