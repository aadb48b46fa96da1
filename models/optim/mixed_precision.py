"""Mixed precision: convolutions in a format of 16 bits on devices that compute faster with it than with float32."""

from functools import cache
from typing import Literal

import torch

from service.cores import cpu_flags

Chosen = Literal["fp32", "bf16", "fp16"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]  # auto: the fastest on the device


def choose_precision(device: str, precision: Precision) -> Chosen:
    """The precision on a device: "auto" is bfloat16 if that is fast, else float16 on a GPU and float32 on a CPU."""
    is_cpu = torch.device(device).type == "cpu"
    if precision == "auto":
        return "bf16" if has_fast_bfloat16(device) else "fp32" if is_cpu else "fp16"
    if precision == "fp16" and is_cpu:
        raise ValueError("optim.precision is fp16, which is for GPUs; a CPU takes auto, fp32 or bf16")
    return precision


def autocast(device: str, precision: Precision) -> torch.autocast:
    """A context that runs convolutions in the chosen precision and the rest in float32."""
    chosen = choose_precision(device, precision)
    dtype = torch.float16 if chosen == "fp16" else torch.bfloat16
    return torch.autocast(torch.device(device).type, dtype, enabled=chosen != "fp32")


def make_scaler(device: str, precision: Precision) -> torch.amp.GradScaler:
    """Scales losses so that their gradients do not vanish in float16; does nothing in other precisions."""
    return torch.amp.GradScaler(torch.device(device).type, enabled=choose_precision(device, precision) == "fp16")


@cache
def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32; without instructions for it, a device emulates it many times slower."""
    if torch.device(device).type == "cpu":
        return not cpu_flags().isdisjoint({"amx_bf16", "avx512_bf16"})
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))
