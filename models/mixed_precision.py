"""bfloat16 where it is faster than float32."""

from functools import cache
from pathlib import Path

import torch


def autocast(device: str) -> torch.autocast:
    """Mixed precision where it pays."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=has_fast_bfloat16(device))


@cache
def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32 here; on a CPU without its instructions it is many times slower."""
    if torch.device(device).type != "cpu":
        return True
    return "amx_bf16" in cpu_flags() or "avx512_bf16" in cpu_flags()


def cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
