"""How many cores this process may use, and the extensions that they have."""

import os
from pathlib import Path

CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")
CPU_INFO = Path("/proc/cpuinfo")


def num_cores(limit_file: Path = CGROUP_LIMIT) -> int:
    """The number of cores that this process may run on.

    In a container with a CPU limit it is at most the limit, rounded down, and at least 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit_file.read_text().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup v2, or the quota is the word "max"
        return cores


def has_amx(cpu_info: Path = CPU_INFO) -> bool:
    """Whether the cores have matrix units for bf16 (Intel's AMX)."""
    return "amx_bf16" in cpu_flags(cpu_info)


def has_vnni(cpu_info: Path = CPU_INFO) -> bool:
    """Whether the cores can add up products of int8 exactly (AVX-512's or AVX's VNNI); false if that is not known."""
    return not {"avx512_vnni", "avx_vnni"}.isdisjoint(cpu_flags(cpu_info))


def cpu_flags(cpu_info: Path = CPU_INFO) -> set[str]:
    """The processor's extensions, as the kernel names them; none if the file is missing, as on Windows."""
    try:
        lines = cpu_info.read_text().splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())
