"""Freed memory goes back to the operating system."""

import platform
from pathlib import Path

import numpy as np
import pytest

from service.memory import release_freed_memory

MIB = 2**20


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory and can return it")
def test_freed_memory_below_a_live_block_is_returned() -> None:
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(2000)]  # too small for glibc to map each by itself
    del blocks[:-1]
    before = resident_bytes()
    release_freed_memory()
    assert before - resident_bytes() > 100 * MIB
