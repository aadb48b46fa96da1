"""Mixed precision: bfloat16 on devices that compute faster with it than with float32."""

from functools import cache
from typing import Literal

import torch

from service.cores import cpu_flags

Precision = Literal["auto", "fp32", "bf16"]  # auto: bf16 if it is faster on the device


def autocast(device: str, precision: Precision) -> torch.autocast:
    """A context that runs convolutions in bfloat16 and the rest in float32, or all in float32."""
    enabled = has_fast_bfloat16(device) if precision == "auto" else precision == "bf16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled)


@cache
def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32; on a CPU without bfloat16 instructions it is many times slower."""
    if torch.device(device).type != "cpu":
        return True
    return not cpu_flags().isdisjoint({"amx_bf16", "avx512_bf16"})
